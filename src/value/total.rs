//! Exact sums and means of decimal numbers of any size, as PostgreSQL's `numeric` has them. Knows
//! digits; knows no column.

use std::{cmp::Ordering, collections::BTreeMap};

use super::decimal::compare_decimal_text;

/// Digits of a limb.
const DIGITS: usize = 9;
const BASE: i128 = 1_000_000_000;
/// Places behind the point that a mean has at least, as many as its values have if these are more.
pub(crate) const MEAN_PLACES: usize = 20;
/// Places behind the point of a number that lies between two doubles, at most.
pub(crate) const FLOAT_PLACES: usize = 1_100;
/// The least number that is nearer to infinity than to the largest double: halfway to what would be
/// the next one.
pub(crate) const BEYOND: &str = "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017\
    977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273\
    854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704\
    342711559699508093042880177904174497792";
/// What counts as nothing beside doubles, in the words of PostgreSQL.
pub(crate) const SMALLEST: &str = "1e-300";

/// A sum in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    /// Each counts `10^(9 * place)`. None is carried over before the end: there is room for more
    /// numbers than a table has rows.
    limbs: BTreeMap<i32, i128>,
    /// The most places behind the point that a number had.
    places: usize,
    count: u64,
}

/// A whole number and how many of its digits stand behind the point.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: String,
    places: usize,
}

impl Total {
    pub(crate) fn add_whole(&mut self, number: i64) {
        *self.limbs.entry(0).or_default() += i128::from(number);
        self.count += 1;
    }

    /// Adds what adds up to another one.
    pub(crate) fn merge(&mut self, other: &Total) {
        for (place, limb) in &other.limbs {
            *self.limbs.entry(*place).or_default() += limb;
        }
        self.places = self.places.max(other.places);
        self.count += other.count;
    }

    /// Adds a number as [`super::Decimal`] or [`super::float_text`] writes it; false for a text
    /// that is none.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let Ok(exponent) = exponent.parse::<i32>() else {
            return false;
        };
        let Ok(fraction_length) = i32::try_from(fraction.len()) else {
            return false;
        };
        // The value of the last digit.
        let Some(last) = exponent.checked_sub(fraction_length).filter(|_| !mantissa.is_empty()) else {
            return false;
        };
        let mut digits = [whole, fraction].concat();
        digits.extend(std::iter::repeat_n('0', last.rem_euclid(DIGITS as i32) as usize));
        let mut place = last.div_euclid(DIGITS as i32);
        let mut rest = digits.as_str();
        while !rest.is_empty() {
            let Some((before, limb)) = rest.split_at_checked(rest.len().saturating_sub(DIGITS)) else {
                return false;
            };
            let Ok(limb) = limb.parse::<i128>() else {
                return false;
            };
            *self.limbs.entry(place).or_default() += sign * limb;
            (place, rest) = (place + 1, before);
        }
        self.places = self.places.max(usize::try_from(-last).unwrap_or(0));
        self.count += 1;
        true
    }

    /// What so many numbers add up to, as one total: the places are those of the sum.
    pub(crate) fn of(sum: &str, count: u64) -> Option<Total> {
        let mut total = Total::default();
        let is_read = total.add(sum);
        total.count = count;
        is_read.then_some(total)
    }

    /// Takes away what other numbers add up to; it is a sum of something then.
    pub(crate) fn take(&mut self, other: &Total) {
        for (place, limb) in &other.limbs {
            *self.limbs.entry(*place).or_default() -= limb;
        }
        self.places = self.places.max(other.places);
        self.count = self.count.max(1);
    }

    /// The sum; none of nothing.
    pub(crate) fn sum(&self) -> Option<String> {
        (self.count > 0).then(|| self.number().text())
    }

    /// The mean, rounded half away from zero.
    pub(crate) fn mean(&self) -> Option<String> {
        (self.count > 0).then(|| {
            let places = self.places.max(MEAN_PLACES);
            self.number().divided(self.count, places).text()
        })
    }

    /// The sum as the nearest double; none where that is beyond all of them.
    pub(crate) fn sum_float(&self) -> Option<f64> {
        nearest(&self.sum()?)
    }

    /// The mean as the nearest double, rounded once: its digits as far as one may lie between two
    /// doubles, and another one that says whether there are more.
    pub(crate) fn mean_float(&self) -> Option<f64> {
        (self.count > 0).then(|| nearest(&self.number().cut(self.count).text()))?
    }

    /// The sum of whole numbers; none where it is no such number any more.
    pub(crate) fn sum_whole(&self) -> Option<i64> {
        self.sum()?.parse().ok()
    }

    pub(crate) fn mean_whole(&self) -> Option<i64> {
        let mean = (self.count > 0).then(|| self.number().divided(self.count, 0))?;
        mean.text().parse().ok()
    }

    fn number(&self) -> Number {
        let carried = |sign: i128| {
            let (Some(first), Some(last)) = (self.limbs.keys().next(), self.limbs.keys().next_back()) else {
                return (0, 0, Vec::new());
            };
            let mut carry = 0;
            let mut limbs = Vec::new();
            for place in *first..=*last {
                let limb = sign * self.limbs.get(&place).copied().unwrap_or_default() + carry;
                limbs.push(limb.rem_euclid(BASE));
                carry = limb.div_euclid(BASE);
            }
            (*first, carry, limbs)
        };
        let (first, carry, limbs) = carried(1);
        let negative = carry < 0;
        let (first, carry, limbs) = if negative { carried(-1) } else { (first, carry, limbs) };
        let mut digits = carry.to_string();
        for limb in limbs.iter().rev() {
            digits.push_str(&format!("{limb:09}"));
        }
        let below = usize::try_from(-first).unwrap_or(0);
        let above = usize::try_from(first).unwrap_or(0);
        digits.extend(std::iter::repeat_n('0', above * DIGITS));
        Number {
            negative,
            digits,
            places: below * DIGITS,
        }
    }
}

impl Number {
    /// Divided by a count and rounded to so many places behind the point, beyond which it has
    /// nothing but zeros.
    fn divided(self, count: u64, places: usize) -> Number {
        let (mut number, left) = self.quotient(count, places);
        if left * 2 >= count {
            let digits = &mut number.digits;
            let nines = digits.bytes().rev().take_while(|digit| *digit == b'9').count();
            digits.truncate(digits.len() - nines);
            let last = digits.pop().and_then(|digit| digit.to_digit(10)).unwrap_or_default();
            digits.push_str(&(last + 1).to_string());
            digits.extend(std::iter::repeat_n('0', nines));
        }
        number
    }

    /// Divided by a count and cut off, with a digit that is no zero where something was cut off.
    fn cut(self, count: u64) -> Number {
        let (mut number, left) = self.quotient(count, FLOAT_PLACES);
        number.digits.push(if left > 0 { '1' } else { '0' });
        number.places += 1;
        number
    }

    /// Divided by a count, with so many places behind the point, beyond which it has nothing but
    /// zeros; and what is left over.
    fn quotient(mut self, count: u64, places: usize) -> (Number, u64) {
        match places.checked_sub(self.places) {
            Some(more) => self.digits.extend(std::iter::repeat_n('0', more)),
            None => self
                .digits
                .truncate(self.digits.len().saturating_sub(self.places - places)),
        }
        let mut left = 0;
        let mut digits = String::with_capacity(self.digits.len() + 1);
        digits.push('0');
        for digit in self.digits.bytes() {
            left = left * 10 + u64::from(digit - b'0');
            digits.push(char::from(b'0' + (left / count) as u8));
            left %= count;
        }
        self.digits = digits;
        (Number { places, ..self }, left)
    }

    /// In the form in which decimals are stored.
    fn text(&self) -> String {
        let short = (self.places + 1).saturating_sub(self.digits.len());
        let digits = "0".repeat(short) + &self.digits;
        let (whole, fraction) = digits.split_at(digits.len() - self.places);
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let sign = if self.negative { "-" } else { "" };
        match (whole, fraction) {
            ("", "") => "0".to_owned(),
            ("", fraction) => format!("{sign}0.{fraction}"),
            (whole, "") => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }
    }
}

/// The double nearest to a number; none where that is infinite.
fn nearest(number: &str) -> Option<f64> {
    let size = number.trim_start_matches('-');
    if compare_decimal_text(size, BEYOND) != Ordering::Less {
        return None;
    }
    match compare_decimal_text(size, &plain(SMALLEST)) {
        Ordering::Less => Some(0.0),
        _ => number.parse().ok(),
    }
}

/// The bound above without its exponent.
fn plain(bound: &str) -> String {
    let mut total = Total::default();
    total.add(bound);
    total.number().text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(numbers: &[&str]) -> Total {
        let mut total = Total::default();
        for number in numbers {
            assert!(total.add(number), "{number}");
        }
        total
    }

    #[test]
    fn sums_are_exact() {
        let cases: &[(&[&str], &str)] = &[
            (&["0"], "0"),
            (&["0.1", "0.2"], "0.3"),
            (&["1", "-1"], "0"),
            (&["-0.5", "0.25"], "-0.25"),
            (&["999999999", "1"], "1000000000"),
            (&["-1000000000", "1"], "-999999999"),
            (&["1e+20", "1e-05"], "100000000000000000000.00001"),
            (&["1.5e+300", "-1.5e+300", "3"], "3"),
            (
                &["123456789012345678901234567890.123456789", "0.000000000000000000001"],
                "123456789012345678901234567890.123456789000000000001",
            ),
        ];
        for (numbers, want) in cases {
            assert_eq!(total(numbers).sum().as_deref(), Some(*want), "{numbers:?}");
        }
        assert_eq!(Total::default().sum(), None);
        for text in ["", "x", "1.2.3", "1e", "ä", "1ä"] {
            let read = Total::default().add(text);
            assert!(!read, "{text}");
        }
    }

    #[test]
    fn sums_are_shifted() {
        for (some, others, want) in [
            (&["1", "2.5"][..], &["0.5"][..], "3"),
            (&[], &["0.25"], "-0.25"),
            (&["1e+300", "1e-300"], &["1e+300"], &format!("0.{}1", "0".repeat(299))),
            (&["-1"], &["-1"], "0"),
            (&["1000000000"], &["0.000000000001"], "999999999.999999999999"),
        ] {
            let mut sum = total(some);
            sum.take(&total(others));
            assert_eq!(sum.sum().as_deref(), Some(want), "{some:?} less {others:?}");
        }
        let mean = |sum, count| Total::of(sum, count).and_then(|total| total.mean());
        assert_eq!(mean("1", 3).as_deref(), Some("0.33333333333333333333"));
        assert_eq!(mean("5", 0), None);
        assert_eq!(mean("x", 1), None);
    }

    #[test]
    fn means_are_rounded_once() {
        let cases: &[(&[&str], &str)] = &[
            (&["1", "2"], "1.5"),
            (&["1", "0", "0"], "0.33333333333333333333"),
            (&["2", "0", "0"], "0.66666666666666666667"),
            (&["-2", "0", "0"], "-0.66666666666666666667"),
            (&["0.0000000000000000000001", "0"], "0.0000000000000000000001"),
        ];
        for (numbers, want) in cases {
            assert_eq!(total(numbers).mean().as_deref(), Some(*want), "{numbers:?}");
        }
        // Half of the last place goes away from zero.
        let half = total(&["99.99999999999999999999", "100"]).mean();
        assert_eq!(half.as_deref(), Some("100"));
        let mut whole = Total::default();
        [1, 2, i64::MAX].iter().for_each(|number| whole.add_whole(*number));
        assert_eq!((whole.sum_whole(), whole.mean_whole()), (None, Some(i64::MAX / 3 + 1)));
    }

    #[test]
    fn doubles_are_the_nearest_ones_or_none() {
        assert_eq!(total(&["0.1", "0.2"]).sum_float(), Some(0.3));
        assert_eq!(total(&["1e+308", "1e+308"]).sum_float(), None);
        assert_eq!(total(&["1e+308", "1e+308", "-1e+308"]).sum_float(), Some(1e308));
        assert_eq!(total(&["5e-324"]).sum_float(), Some(0.0));
        assert_eq!(total(&["1", "2"]).mean_float(), Some(1.5));
        // The mean may be there where the sum is not.
        assert_eq!(total(&["1e+308", "1e+308"]).mean_float(), Some(1e308));
        // The nearest double to the sum, divided, is another one.
        let prices = total(&["204.899625", "204.899625", "204.899625", "204.899624", "204.899626"]);
        assert_eq!(prices.mean_float(), Some(204.899625));
        // The next digit after those of a double's decides, however far it stands behind.
        let middle = "1.00000000000000011102230246251565404236316680908203125";
        assert_eq!(total(&[middle]).mean_float(), Some(1.0));
        let above = ["1.00000000000000011102230246251565404236316680908203126"];
        assert_eq!(total(&above).mean_float(), Some(1.0 + f64::EPSILON));
        // What is nearer to the largest double than to the next one is that.
        assert_eq!(
            total(&["1.7976931348623157e+308", "9e+291"]).sum_float(),
            Some(f64::MAX)
        );
        assert_eq!(
            total(&["-1.7976931348623157e+308", "-9e+291"]).sum_float(),
            Some(f64::MIN)
        );
        assert_eq!(total(&["1.7976931348623157e+308", "2e+292"]).sum_float(), None);
        assert_eq!(total(&[BEYOND]).sum_float(), None);
        assert_eq!(total(&[BEYOND, "-1"]).sum_float(), Some(f64::MAX));
    }
}
