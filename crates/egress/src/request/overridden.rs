//! Methods that a request carries in a field, which some frameworks (Rack, Laravel, Symfony, Express) obey instead of the one of
//! its first line.

use std::io::BufRead as _;

use super::Head;
use super::body::{Decoded, essence};
use crate::refusal::{Refusal, shown};
use crate::spool::Spooled;

/// Names of such fields.
const NAMES: [&str; 4] = ["_method", "_http_method", "x-http-method-override", "$method"];

fn is_one(name: &str) -> bool {
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn refused(name: &str) -> Refusal {
    Refusal::opaque(format!(
        "the field `{}` can make the request another one than its method says: use the method itself",
        shown(name)
    ))
}

/// # Errors
/// [`Refusal`] for one in the query.
pub(super) fn in_query(head: &Head) -> Result<(), Refusal> {
    let mut names = head.target.query().iter().map(|(name, _)| name);
    names
        .find(|name| is_one(name))
        .map_or(Ok(()), |name| Err(refused(name)))
}

/// # Errors
/// [`Refusal`] for one in a form, of either kind, or in a JSON document.
pub(super) fn in_body(head: &Head, body: &Spooled, decoded: &Decoded) -> Result<(), Refusal> {
    if let Some(name) = decoded
        .object()
        .and_then(|object| object.keys().find(|name| is_one(name)))
    {
        return Err(refused(name));
    }
    let multipart = essence(head.content_type.as_deref()) == "multipart/form-data";
    if !multipart || *decoded != Decoded::Bytes {
        return Ok(());
    }
    match named_in_parts(body) {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(refused(name)),
        Err(error) => Err(Refusal::opaque(format!("the body cannot be read again: {error}"))),
    }
}

/// The first such name in a header of a part (RFC 7578, 4.2); file contents that look like one count too.
fn named_in_parts(body: &Spooled) -> std::io::Result<Option<&'static str>> {
    const LINE_MAX: u64 = 16 * 1024;
    let mut reader = body.reader()?;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut reader, LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if !text.starts_with("content-disposition") {
            continue;
        }
        if let Some(name) = NAMES.into_iter().find(|name| text.contains(name)) {
            return Ok(Some(name));
        }
    }
}
