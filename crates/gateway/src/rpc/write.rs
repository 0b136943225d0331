//! Messages of ours, written once into the buffer that goes on the wire.

use remit_core::json::{Object, Value};

use super::{Id, RpcError};

fn open(id: Option<&Id>, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    match id {
        Some(id) => id.value().write_canonical(&mut out),
        None => out.extend_from_slice(b"null"),
    }
    out
}

/// A response with `result`.
pub(crate) fn response(id: &Id, result: &Object) -> Vec<u8> {
    let mut out = open(Some(id), 512);
    out.extend_from_slice(b",\"result\":");
    result.write_canonical(&mut out);
    out.push(b'}');
    out
}

/// A response with `error`; the id is `null` when the request's could not be read.
pub(crate) fn error(id: Option<&Id>, error: &RpcError) -> Vec<u8> {
    let mut out = open(id, 256);
    out.extend_from_slice(b",\"error\":");
    let mut object = Object::new();
    object.insert("code", error.code);
    object.insert("message", error.message.as_str());
    if let Some(data) = &error.data {
        object.insert("data", data.clone());
    }
    object.write_canonical(&mut out);
    out.push(b'}');
    out
}

/// A notification; empty `params` are left out.
pub(crate) fn notification(method: &str, params: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
    call(method, params, &mut out);
    out
}

/// A request of ours to the client (legacy leg).
pub(crate) fn request(id: &str, method: &str, params: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    Value::from(id).write_canonical(&mut out);
    out.extend_from_slice(b",\"method\":");
    call(method, params, &mut out);
    out
}

fn call(method: &str, params: &Object, out: &mut Vec<u8>) {
    Value::from(method).write_canonical(out);
    if !params.is_empty() {
        out.extend_from_slice(b",\"params\":");
        params.write_canonical(out);
    }
    out.push(b'}');
}

/// True when `message`, written by this room, is the response to `id`.
pub(crate) fn answers(message: &[u8], id: &Id) -> bool {
    let rest = message.strip_prefix(open(Some(id), 64).as_slice());
    rest.is_some_and(|rest| rest.starts_with(b",\"result\":") || rest.starts_with(b",\"error\":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_echoed_as_they_came() {
        for (id, text) in [(Value::from("7"), "\"7\""), (Value::from(7), "7")] {
            let id = Id::from_value(id).unwrap();
            let bytes = response(&id, &Object::new());
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{text},\"result\":{{}}}}")
            );
        }
        let unread = error(None, &RpcError::invalid_request("no"));
        assert!(String::from_utf8(unread).unwrap().contains("\"id\":null"));
    }
}
