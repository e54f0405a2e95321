//! What YAML 1.1 takes an unquoted scalar for, as PyYAML reads it.

/// What PyYAML takes an unquoted scalar for, as far as it matters here.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Yaml11 {
    Text,
    Bool(bool),
    /// A number, a date, null, a merge key: not text.
    Other,
}

/// YAML 1.1's implicit types, exactly as PyYAML resolves them: it writes what it takes for text without quotes, `0987` and `07:00` too.
pub(super) fn yaml11(text: &str) -> Yaml11 {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => return Yaml11::Bool(true),
        "no" | "false" | "off" => return Yaml11::Bool(false),
        "" | "~" | "null" | "=" | "<<" => return Yaml11::Other,
        _ => {}
    }
    match is_yaml11_number(text) || is_yaml11_time(text) {
        true => Yaml11::Other,
        false => Yaml11::Text,
    }
}

/// Whether every character is a digit of the base or `_`.
fn digits(text: &str, base: u32) -> bool {
    text.chars().all(|c| c == '_' || c.is_digit(base))
}

fn is_yaml11_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = |text: &str, first: std::ops::RangeInclusive<char>| text.starts_with(|c: char| first.contains(&c));
    let after = |prefix: &str, base| unsigned.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && digits(rest, base));
    // `12:30` is 750 to YAML 1.1, and `12:30.5` a little more.
    let sixties = |rest: &str| {
        rest.split(':').all(|part| (1..=2).contains(&part.len()) && digits(part, 10) && part.parse::<u8>().is_ok_and(|part| part < 60))
    };
    if let Some((whole, rest)) = unsigned.split_once(':') {
        return match rest.split_once('.') {
            Some((rest, fraction)) => starts(whole, '0'..='9') && digits(whole, 10) && sixties(rest) && digits(fraction, 10),
            None => starts(whole, '1'..='9') && digits(whole, 10) && sixties(rest),
        };
    }
    if let Some((whole, rest)) = unsigned.split_once('.') {
        if matches!(rest, "inf" | "Inf" | "INF") || matches!(rest, "nan" | "NaN" | "NAN") && unsigned == text {
            return whole.is_empty();
        }
        let (fraction, exponent) = rest.split_once(['e', 'E']).map_or((rest, true), |(fraction, exponent)| {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or_default();
            (fraction, !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let whole =
            if whole.is_empty() { starts(fraction, '0'..='9') && unsigned == text } else { starts(whole, '0'..='9') && digits(whole, 10) };
        return whole && digits(fraction, 10) && exponent;
    }
    unsigned == "0" || starts(unsigned, '1'..='9') && digits(unsigned, 10) || after("0", 8) || after("0b", 2) || after("0x", 16)
}

/// A date, or a date and a time.
fn is_yaml11_time(text: &str) -> bool {
    let number = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (date, time) = text.split_once(['T', 't', ' ', '\t']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let shortest = if time.is_some() { 1 } else { 2 };
    let date =
        number(parts.next(), 4..=4) && number(parts.next(), shortest..=2) && number(parts.next(), shortest..=2) && parts.next().is_none();
    date && time.is_none_or(|time| {
        let mut parts = time.trim_start_matches([' ', '\t']).splitn(3, ':');
        number(parts.next(), 1..=2) && number(parts.next(), 2..=2) && number(parts.next().and_then(|rest| rest.get(..2)), 2..=2)
    })
}
