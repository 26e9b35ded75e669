//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

/// An amount in hundredths of its currency, negative when money went back to the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(pub i64);

impl Cents {
    /// `percent` hundredths of the amount, rounded towards zero.
    #[must_use]
    pub fn percent(self, percent: i64) -> Self {
        Self(self.0.saturating_mul(percent) / 100)
    }

    /// The part of the amount that `numerator / denominator` is, rounded towards zero; nothing when that is no number.
    #[must_use]
    pub fn part(self, numerator: Self, denominator: Self) -> Self {
        let scaled = self.0.saturating_mul(numerator.0);
        Self(scaled.checked_div(denominator.0).unwrap_or_default())
    }

    /// The amount times `factor`.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(factor)))
    }

    /// Reads a decimal number such as `12`, `12.5` or `-12.50`; more than two decimals are no amount.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let fraction: i64 = format!("{fraction:0<2}").parse().ok()?;
        let amount = whole.checked_mul(100)?.checked_add(fraction)?;
        Some(Self(if negative { -amount } else { amount }))
    }
}

impl Add for Cents {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Cents {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Cents {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        write!(formatter, "{sign}{}.{:02}", amount / 100, amount % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_they_are_shown() {
        for text in ["0.00", "12.50", "-0.05", "-1234.00"] {
            assert_eq!(Cents::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Cents::parse("12.5"), Some(Cents(1250)));
        for text in ["", "-", ".5", "1.234", "1e3", "1,5", "99999999999999999999"] {
            assert_eq!(Cents::parse(text), None, "{text}");
        }
    }

    #[test]
    fn parts_round_towards_zero() {
        assert_eq!(Cents(999).percent(50), Cents(499));
        assert_eq!(Cents(-999).percent(50), Cents(-499));
        assert_eq!(Cents(1000).part(Cents(1), Cents(0)), Cents(0));
    }
}
