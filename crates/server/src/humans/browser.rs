//! Requests that change something must come from a page of ours: `Origin` and `Sec-Fetch-Site` say so, and scripts of other
//! pages cannot forge them.

use axum::http::{HeaderMap, header};

use crate::app::Failure;

/// Refuses a form that another site sent.
///
/// # Errors
/// [`Failure::Forbidden`].
pub(crate) fn expect_own_page(headers: &HeaderMap) -> Result<(), Failure> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let host = one(header::HOST.as_str());
    let origin = one(header::ORIGIN.as_str());
    let same_host = origin
        .and_then(|origin| {
            origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"))
        })
        .zip(host)
        .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host));
    let same_site = !headers.contains_key("sec-fetch-site") || one("sec-fetch-site") == Some("same-origin");
    if same_host && same_site {
        Ok(())
    } else {
        Err(Failure::Forbidden(
            "this was not sent by a page of Remit: open the page again and press its button".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_our_own_page_may_send_a_form() {
        let host = ("host", "127.0.0.1:7420");
        let own = ("origin", "http://127.0.0.1:7420");
        assert!(expect_own_page(&headers(&[host, own])).is_ok());
        assert!(expect_own_page(&headers(&[host, own, ("sec-fetch-site", "same-origin")])).is_ok());
        for bad in [
            vec![host],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://127.0.0.1:7421")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, own, ("sec-fetch-site", "cross-site")],
            vec![host, own, ("sec-fetch-site", "same-site")],
            vec![host, own, ("origin", "http://evil.example")],
            vec![own],
        ] {
            assert!(expect_own_page(&headers(&bad)).is_err(), "{bad:?}");
        }
    }
}
