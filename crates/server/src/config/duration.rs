//! Durations as people write them.

/// Reads `20s`, `30m`, `1h 30m`, `2 days`.
///
/// # Errors
/// A sentence with what was given.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a duration: write for example `20s`, `30m`, `1h` or `90 minutes`");
    // jiff counts a day only relative to a date; here a day is 24 hours.
    let duration = match text
        .trim()
        .strip_suffix('d')
        .map(str::trim)
        .map(str::parse::<u32>)
    {
        Some(Ok(days)) => jiff::SignedDuration::from_hours(i64::from(days) * 24),
        _ => text.trim().parse::<jiff::SignedDuration>().map_err(|_| bad())?,
    };
    u64::try_from(duration.as_millis()).map_err(|_| bad())
}
