//! Doubles as text, as PostgreSQL prints them: both databases then give the same bytes. Knows
//! digits only.

/// Powers of ten above this are written with an exponent, and so are negative ones below -4.
const PLAIN_MAX: i32 = 15;

/// The shortest decimal that is read back as this double by whatever rule for ties: `5`, `0.1`,
/// `1e+20`, `1e-05`, `-0`.
///
/// `None` for what is no number.
pub(crate) fn float_text(float: f64) -> Option<String> {
    if !float.is_finite() {
        return None;
    }
    let scientific = unambiguous(float);
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let mut out = String::with_capacity(24);
    out.push_str(sign);
    if (-4..PLAIN_MAX).contains(&exponent) {
        plain(&mut out, &digits.replace('.', ""), exponent);
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{digits}e{sign}{:02}", exponent.unsigned_abs()));
    }
    Some(out)
}

/// Writes digits whose first stands for that power of ten.
fn plain(out: &mut String, digits: &str, exponent: i32) {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        return leading_zeros(out, digits, exponent);
    };
    match whole {
        0 => leading_zeros(out, digits, exponent),
        _ if digits.len() <= whole => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        }
        _ => {
            let (before, after) = digits.split_at(whole);
            out.extend([before, ".", after]);
        }
    }
}

fn leading_zeros(out: &mut String, digits: &str, exponent: i32) {
    out.push_str("0.");
    let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
    out.extend(std::iter::repeat_n('0', zeros));
    out.push_str(digits);
}

/// The shortest digits, but never a decimal that lies exactly between two doubles: those are read
/// by a rule for ties, and PostgreSQL leaves them out. Of two that are equally near, the one with
/// an even last digit.
fn unambiguous(float: f64) -> String {
    let shortest = format!("{float:e}");
    let digits = shortest
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit);
    let digits = digits.count();
    // Neither can be with fewer digits and no zeros after them.
    if digits < 15 && float.abs() < 1e15 {
        return shortest;
    }
    // 17 digits always suffice.
    let nearest = (digits.saturating_sub(1)..17).map(|after| format!("{float:.after$e}"));
    let mut fitting = nearest.filter(|text| text.parse() == Ok(float) && !is_midpoint(text, float));
    fitting.next().unwrap_or(shortest)
}

/// The mantissa of a power of two.
const FIRST: u128 = 1 << 52;

/// Whether a decimal, read as this double, lies exactly halfway to one of its neighbours. Only
/// whole numbers can: any other midpoint has more digits than are ever printed.
fn is_midpoint(text: &str, float: f64) -> bool {
    midpoint_parts(text).is_some_and(|(odd, twos)| {
        let bits = float.abs().to_bits();
        let mantissa = u128::from(bits) & (FIRST - 1) | FIRST;
        let power = i64::try_from(bits >> 52).unwrap_or_default() - 1_075;
        // The lower neighbour of a power of two is at half the distance.
        let below = match mantissa {
            FIRST => (4 * mantissa - 1, 2),
            _ => (2 * mantissa - 1, 1),
        };
        [(2 * mantissa + 1, 1), below]
            .iter()
            .any(|(middle, halves)| *middle == odd && power - halves == twos)
    })
}

/// A whole number taken apart into its odd factor and its power of two; `None` for one that has a
/// fraction, or whose odd factor has more bits than a midpoint's.
fn midpoint_parts(text: &str) -> Option<(u128, i64)> {
    let (digits, exponent) = text.trim_start_matches('-').split_once('e')?;
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let tens = exponent - i64::try_from(rest.len()).ok()?;
    let mut odd: u128 = format!("{first}{rest}").parse().ok()?;
    if odd == 0 || !(0..=27).contains(&tens) {
        return None;
    }
    let own = odd.trailing_zeros();
    odd >>= own;
    odd = odd.checked_mul(5u128.checked_pow(u32::try_from(tens).ok()?)?)?;
    Some((odd, tens + i64::from(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_postgresql_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (5.0, "5"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (100.0, "100"),
            (123456.75, "123456.75"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (123456789012345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9.007199254740992e+15"),
            (f64::MAX, "1.7976931348623157e+308"),
            // The shortest, 2e+23 and 9e+23, are halfway between two doubles.
            (9e22, "9e+22"),
            (9e23, "9e+23"),
        ];
        for (float, want) in cases {
            assert_eq!(float_text(float).as_deref(), Some(want));
        }
        assert_eq!(float_text(f64::NAN), None);
        assert_eq!(float_text(f64::INFINITY), None);
    }
}
