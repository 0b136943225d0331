"""A process that belongs to no run: the Workload API knows nobody of that name."""

import sys

from spiffe import WorkloadApiClient

try:
    WorkloadApiClient(socket_path=sys.argv[1]).fetch_x509_svid(timeout=3)
except Exception as error:  # noqa: BLE001: which class it is belongs to the library
    print(f"ok refused: a process outside every run ({type(error).__name__})")
else:
    raise SystemExit("an outsider got an SVID")
