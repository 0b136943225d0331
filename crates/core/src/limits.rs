//! Every bound of the system in one file, each with its unit in its name.

/// Longest request body the gateway reads from an agent, in bytes.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest response read from an upstream, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of a JSON document on the data path.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most JSON nodes (values and member names) in one request.
pub const JSON_NODES_MAX: usize = 100_000;
/// Most JSON nodes (values and member names) in one response that is relayed.
pub const JSON_RESPONSE_NODES_MAX: usize = 1_000_000;
/// Longest name of an agent, a human, a server, a system or a template, in bytes.
pub const NAME_BYTES_MAX: usize = 40;
/// Longest tool name, in bytes (MCP 2026-07-28, server/tools).
pub const TOOL_NAME_BYTES_MAX: usize = 128;
/// Longest aggregated tool name `server__tool`, in bytes (what model providers accept).
pub const AGGREGATED_NAME_BYTES_MAX: usize = 64;
/// Longest resource text, in bytes.
pub const RESOURCE_BYTES_MAX: usize = 4096;
/// Most segments in a resource path.
pub const RESOURCE_SEGMENTS_MAX: usize = 128;
/// Most resources, and most destinations, one call may touch.
pub const TOUCHED_PER_CALL_MAX: usize = 256;
/// Longest intent (goal or purpose), in bytes.
pub const INTENT_BYTES_MAX: usize = 4096;
/// Longest note given with a verdict, in bytes.
pub const NOTE_BYTES_MAX: usize = 2048;
/// Most approvals that may be pending in one task.
pub const PENDING_APPROVALS_PER_TASK_MAX: usize = 20;
/// Default life of a task when none is given, in milliseconds.
pub const TASK_TTL_MS_DEFAULT: i64 = 60 * 60 * 1000;
/// Longest life of a task, in milliseconds.
pub const TASK_TTL_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long a held call waits inside the agent's request by default, in milliseconds.
pub const HOLD_WAIT_MS_DEFAULT: u64 = 20_000;
/// The most a held call may wait inside the agent's request, in milliseconds.
pub const HOLD_WAIT_MS_MAX: u64 = 55_000;
/// How long an approval stays open unanswered, in milliseconds.
pub const APPROVAL_WINDOW_MS_DEFAULT: i64 = 24 * 60 * 60 * 1000;
/// How long an approved call may wait to be redeemed, in milliseconds.
pub const REDEEM_WINDOW_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest life of a grant, in milliseconds.
pub const GRANT_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Most uses of a grant given by count.
pub const GRANT_USES_MAX: u64 = 1000;
/// How long an upstream may take to answer one call, in milliseconds.
pub const UPSTREAM_CALL_MS_MAX: u64 = 120_000;
/// How long an upstream may take to connect or start, in milliseconds.
pub const UPSTREAM_START_MS_MAX: u64 = 30_000;
/// Deepest delegation chain.
pub const DELEGATION_DEPTH_MAX: usize = 8;
/// Most tasks delegated from one task that are live at the same time.
pub const FAN_OUT_MAX: u16 = 100;
/// Tasks that may be delegated from one task at the same time when depth is given and nothing is said of it.
pub const FAN_OUT_DEFAULT: u16 = 10;
/// Most live tasks in one delegation tree.
pub const TREE_TASKS_MAX: usize = 1000;
/// Shortest heartbeat a task may have, in milliseconds.
pub const HEARTBEAT_MS_MIN: i64 = 1_000;
/// Longest heartbeat and longest idle time a task may have, in milliseconds.
pub const IDLE_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Longest goal that is written out in every decision record, in bytes; a longer one is recorded by its digest.
pub const INTENT_IN_RECORD_BYTES_MAX: usize = 512;
/// Longest reason an agent gives for a request of its own, in bytes.
pub const REQUEST_REASON_BYTES_MAX: usize = 2048;
/// Most tools one server may list.
pub const TOOLS_PER_SERVER_MAX: usize = 1000;
/// Largest tool definition, in canonical bytes.
pub const TOOL_DEFINITION_BYTES_MAX: usize = 256 * 1024;
/// Most denied calls in a row before a task is suspended.
pub const DENIALS_IN_A_ROW_MAX: u32 = 50;
/// Longest leaf of the ledger, in bytes (C2SP tlog-tiles entry: uint16 length).
pub const RECORD_BYTES_MAX: usize = 65_535;
/// Longest time between two checkpoints while records arrive, in milliseconds.
pub const CHECKPOINT_EVERY_MS_MAX: u64 = 10_000;
/// Most unscoped policies before load warns.
pub const UNSCOPED_POLICIES_WARN: usize = 40;
/// Longest JSON-RPC id given as a string, in bytes.
pub const RPC_ID_BYTES_MAX: usize = 256;
/// How long the gateway waits for the rest of a request's body, in milliseconds.
pub const REQUEST_BODY_MS_MAX: u64 = 10_000;
/// How long the gateway waits for a request's head, in milliseconds.
pub const REQUEST_HEAD_MS_MAX: u64 = 10_000;
/// Longest request head, in bytes.
pub const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most header fields of one request.
pub const REQUEST_HEADERS_MAX: usize = 100;
/// Most connections the gateway holds open.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Most requests of one run that may be in flight, streams included.
pub const REQUESTS_PER_RUN_MAX: usize = 64;
/// Most sessions of legacy MCP clients, of all runs.
pub const SESSIONS_MAX: usize = 10_000;
/// Most sessions of legacy MCP clients of one run.
pub const SESSIONS_PER_RUN_MAX: usize = 32;
/// How long a legacy session may lie idle before it is dropped, in milliseconds.
pub const SESSION_IDLE_MS_MAX: u64 = 30 * 60 * 1000;
/// How long a call may take before its answer becomes an event stream, in milliseconds.
pub const ANSWER_MOMENT_MS: u64 = 500;
/// How long an event stream may be silent before a comment keeps it open, in milliseconds.
pub const STREAM_PING_MS: u64 = 15_000;
/// How long the answer of a call may still come after its authority has gone, in milliseconds.
pub const STREAM_CUT_MS: u64 = 500;
/// Most events of one request that wait for a slow client.
pub const EVENTS_QUEUED_MAX: usize = 64;
/// Most events one stream of a legacy session keeps for a client that comes back.
pub const REPLAY_EVENTS_MAX: usize = 256;
/// Most streams one legacy session keeps for a client that comes back.
pub const REPLAY_STREAMS_MAX: usize = 8;
/// Longest body of a request that may wait for people, in bytes.
pub const HELD_BODY_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most resources one client may subscribe to in one session or stream.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Longest SPIFFE ID, in bytes (SPIFFE-ID, 2.4).
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;
/// Longest trust domain name, in bytes (SPIFFE-ID, 2.4).
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;
/// Longest token, assertion or proof that is read, in bytes.
pub const JOSE_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of a token's header or payload, and of a key set.
pub const JOSE_DEPTH_MAX: usize = 16;
/// Most JSON nodes of a token's header or payload.
pub const JOSE_NODES_MAX: usize = 2048;
/// Longest key set or bundle, in bytes.
pub const JWKS_BYTES_MAX: usize = 512 * 1024;
/// Most keys of a key set or bundle.
pub const JWKS_KEYS_MAX: usize = 128;
/// Most JSON nodes of a key set or bundle.
pub const JWKS_NODES_MAX: usize = 8192;
/// Longest `jti`, in bytes.
pub const JTI_BYTES_MAX: usize = 256;
/// How far another party's clock may be off, in milliseconds.
pub const CLOCK_SKEW_MS_MAX: i64 = 60 * 1000;
/// Longest life of a token or JWT-SVID for another audience, in milliseconds.
pub const FOREIGN_TOKEN_MS_MAX: i64 = 5 * 60 * 1000;
/// Longest time until a client assertion ends, in milliseconds.
pub const ASSERTION_MS_MAX: i64 = 10 * 60 * 1000;
/// How old a DPoP proof may be, in milliseconds.
pub const DPOP_AGE_MS_MAX: i64 = 60 * 1000;
/// How long one DPoP nonce is handed out, in milliseconds; it counts for one such period more.
pub const DPOP_NONCE_MS: i64 = 2 * 60 * 1000;
/// Largest certificate that is read, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// Most certificates of a chain that is read.
pub const CERTIFICATE_CHAIN_MAX: usize = 6;
/// Largest file with a certificate chain or a private key, in bytes.
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 256 * 1024;
/// How much earlier than now a certificate begins to count, in milliseconds: for clocks that lag.
pub const CERTIFICATE_BACKDATE_MS: i64 = 30 * 1000;
/// How long a new human, or a new role of one, does not count towards two people unless confirmed, in milliseconds.
pub const NEWCOMER_MS: i64 = 24 * 60 * 60 * 1000;
/// Most used proofs and assertions that are remembered.
pub const REPLAYS_MAX: usize = 500_000;
/// How long the same finding is not recorded again, in milliseconds.
pub const FINDING_REPEAT_MS: u64 = 1000;
/// Most connections to the Workload API.
pub const WORKLOADS_MAX: usize = 16_384;
/// Longest life of an enrolment, in milliseconds.
pub const ENROLMENT_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// Most findings one list answers with.
pub const FINDINGS_LISTED_MAX: u32 = 1000;
