//! Shuts a child process in (Landlock, own uid, namespaces) and tells which process is asking.
