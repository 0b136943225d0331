//! Times as people read and write them, in the machine's time zone.

use jiff::civil;
use jiff::tz::TimeZone;
use remit_core::time::Timestamp;
use remit_server::config::duration_ms;
use serde_json::Value;

/// `14:44:02` when it is the day of `now`, else with the date.
#[must_use]
pub fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let (Some(at), Some(now)) = (local(at), local(now)) else {
        return at.to_string();
    };
    if at.date() == now.date() {
        at.strftime("%H:%M:%S").to_string()
    } else {
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// `in 23 min`, `4 h ago`.
#[must_use]
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let ms = at.ms_since(now);
    let length = length(ms.unsigned_abs());
    if ms >= 0 {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// `90 s`, `23 min`, `5 h`, `3 days`.
#[must_use]
pub fn length(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The moment in a JSON value: milliseconds since the epoch, or RFC 3339.
#[must_use]
pub fn moment(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::Number(ms) => ms.as_i64().map(Timestamp),
        Value::String(text) => rfc3339(text),
        _ => None,
    }
}

/// Reads a moment that is to come: `30m` (from now), `18:00` (the next), `2026-11-21 18:00`, RFC 3339.
///
/// # Errors
/// A sentence with what was given.
pub fn future(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ms) = duration_ms(text) {
        return Ok(now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)));
    }
    let at = absolute(text, now)?;
    if at > now {
        return Ok(at);
    }
    if text.trim().parse::<civil::Time>().is_ok() {
        return Ok(at.plus_ms(24 * 60 * 60 * 1000));
    }
    Err(format!("`{text}` is over already"))
}

/// Reads a moment of the past: `2h` (before now), `09:40` (today), `2026-11-21 09:40`, RFC 3339.
///
/// # Errors
/// A sentence with what was given.
pub fn past(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ms) = duration_ms(text.trim().trim_end_matches("ago")) {
        return Ok(now.plus_ms(-i64::try_from(ms).unwrap_or(i64::MAX)));
    }
    absolute(text, now)
}

fn absolute(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(at) = rfc3339(text) {
        return Ok(at);
    }
    let today = local(now).map(|now| now.date());
    let civil = match (text.parse::<civil::Time>(), today) {
        (Ok(time), Some(today)) => Some(today.to_datetime(time)),
        _ => text.parse::<civil::DateTime>().ok(),
    };
    civil
        .and_then(|civil| civil.to_zoned(TimeZone::system()).ok())
        .map(|zoned| Timestamp(zoned.timestamp().as_millisecond()))
        .ok_or_else(|| {
            format!(
                "`{text}` is not a time: write for example `30m`, `18:00`, `2026-11-21 18:00` or RFC 3339"
            )
        })
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|at| Timestamp(at.as_millisecond()))
}

fn local(at: Timestamp) -> Option<jiff::Zoned> {
    jiff::Timestamp::from_millisecond(at.0)
        .ok()
        .map(|at| at.to_zoned(TimeZone::system()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_212_245_123);

    #[test]
    fn moments_are_read_as_people_write_them() {
        assert_eq!(future("30m", NOW), Ok(NOW.plus_ms(1_800_000)));
        assert_eq!(past("2h ago", NOW), Ok(NOW.plus_ms(-7_200_000)));
        assert_eq!(
            future("2026-11-20T23:00:00Z", NOW).map(|at| at.to_string()),
            Ok("2026-11-20T23:00:00.000Z".to_owned())
        );
        assert!(future("2020-01-01T00:00:00Z", NOW).is_err());
        assert!(past("whenever", NOW).is_err());
        let next = future("00:00", NOW).unwrap();
        assert!(next > NOW && next.ms_since(NOW) <= 25 * 60 * 60 * 1000);
    }

    #[test]
    fn distances_are_short() {
        assert_eq!(distance(NOW.plus_ms(23 * 60_000), NOW), "in 23 min");
        assert_eq!(distance(NOW.plus_ms(-5_000), NOW), "5 s ago");
        assert_eq!(length(3 * 86_400_000), "3 days");
    }
}
