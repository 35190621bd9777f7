//! Numbers as a sheet shows them: which of them are dates.

use crate::markup::xml::Xml;

/// The formats of a workbook.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    /// By number of the style of a cell.
    kinds: Vec<Shown>,
    counts_from_1904: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Number,
    Date,
    Time,
    DateTime,
}

impl Formats {
    /// Reads the part of the styles.
    pub(crate) fn read(styles: &str, counts_from_1904: bool) -> Self {
        let mut own: Vec<(u32, Shown)> = Vec::new();
        let mut kinds = Vec::new();
        let mut xml = Xml::new(styles);
        xml.enter();
        xml.children(|xml, name, _| match name {
            "numFmts" => xml.children(|xml, _, tag| {
                let id = tag.local("numFmtId").and_then(|id| id.trim().parse().ok());
                if let (Some(id), Some(code)) = (id, tag.local("formatCode")) {
                    own.push((id, shown_by(&code)));
                }
                xml.skip();
            }),
            "cellXfs" => xml.children(|xml, _, tag| {
                let id: u32 = tag.local("numFmtId").and_then(|id| id.trim().parse().ok()).unwrap_or(0);
                let is_own = own.iter().find(|(known, _)| *known == id);
                kinds.push(is_own.map_or_else(|| built_in(id), |(_, shown)| *shown));
                xml.skip();
            }),
            _ => xml.skip(),
        });
        Self { kinds, counts_from_1904 }
    }

    /// A number in a style.
    pub(crate) fn number(&self, raw: &str, style: Option<&str>) -> String {
        let Ok(value) = raw.parse::<f64>() else { return crate::signals::one_line(raw) };
        let style = style.and_then(|style| style.trim().parse::<usize>().ok());
        let shown = style.and_then(|style| self.kinds.get(style)).copied().unwrap_or(Shown::Number);
        let as_date = if shown == Shown::Number { None } else { self.date(value, shown) };
        as_date.unwrap_or_else(|| plain(value, raw))
    }

    /// A day count as a date: days since the end of 1899, or of 1903 in workbooks from old Macs.
    fn date(&self, value: f64, shown: Shown) -> Option<String> {
        // The year 9999 ends at 2,958,466.
        if !(0.0..2_958_466.0).contains(&value) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the value was just found to be small")]
        let seconds = (value * 86_400.0).round() as i64;
        let (mut days, second) = (seconds / 86_400, seconds % 86_400);
        let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        if self.counts_from_1904 {
            days += 1462;
        } else if days < 60 {
            // Excel holds 1900 for a leap year; before its 29th of February the days are one short.
            days += 1;
        }
        // 25,569 days from there to 1970.
        let (year, month, day) = civil(days - 25_569);
        let date = format!("{year:04}-{month:02}-{day:02}");
        Some(match shown {
            Shown::Time if value < 1.0 => time,
            Shown::Date if second == 0 => date,
            _ if second == 0 => date,
            _ => format!("{date} {time}"),
        })
    }
}

/// A number with at most 15 digits, as a sheet keeps them.
fn plain(value: f64, raw: &str) -> String {
    let size = value.abs();
    if size >= 1e15 || (size < 1e-6 && value != 0.0) || !value.is_finite() {
        return raw.to_owned();
    }
    let shortest = value.to_string();
    if shortest.bytes().filter(u8::is_ascii_digit).count() <= 15 {
        return shortest;
    }
    format!("{value:.14e}").parse::<f64>().map_or(shortest, |rounded| rounded.to_string())
}

fn built_in(id: u32) -> Shown {
    match id {
        14..=17 | 27..=31 | 34..=36 | 50..=54 | 57 | 58 => Shown::Date,
        18..=21 | 32 | 33 | 45..=47 | 55 | 56 => Shown::Time,
        22 => Shown::DateTime,
        _ => Shown::Number,
    }
}

/// What a format shows, by its letters outside of quotes and brackets.
fn shown_by(code: &str) -> Shown {
    let (mut has_date, mut has_time, mut has_month) = (false, false, false);
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character.to_ascii_lowercase() {
            ';' => break,
            '"' => while characters.next().is_some_and(|inner| inner != '"') {},
            '\\' | '_' | '*' => {
                characters.next();
            }
            '[' => {
                let inner: String = characters.by_ref().take_while(|inner| *inner != ']').collect();
                // `[h]` counts hours on; `[Red]` and `[$-409]` are none.
                has_time |= !inner.is_empty()
                    && inner.bytes().all(|byte| matches!(byte.to_ascii_lowercase(), b'h' | b'm' | b's'));
            }
            'd' | 'y' => has_date = true,
            'h' | 's' => has_time = true,
            'm' => has_month = true,
            _ => {}
        }
    }
    match (has_date, has_time) {
        (true, true) => Shown::DateTime,
        (true, false) => Shown::Date,
        (false, true) => Shown::Time,
        (false, false) if has_month => Shown::Date,
        (false, false) => Shown::Number,
    }
}

/// Year, month and day of a count of days since 1970, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_say_what_is_a_date() {
        let cases = [
            ("General", Shown::Number),
            ("#,##0.00 \"days\"", Shown::Number),
            ("[Red]0.00;[Blue]-0.00", Shown::Number),
            ("0.00E+00", Shown::Number),
            ("yyyy\\-mm\\-dd", Shown::Date),
            ("[$-409]mmm\\ yy;@", Shown::Date),
            ("d/m/yy h:mm", Shown::DateTime),
            ("[h]:mm:ss", Shown::Time),
            ("mmm", Shown::Date),
        ];
        for (code, expected) in cases {
            assert_eq!(shown_by(code), expected, "{code}");
        }
    }

    #[test]
    fn numbers_are_shown_as_in_the_sheet() {
        let formats = |counts_from_1904| Formats {
            kinds: vec![Shown::Number, Shown::Date, Shown::Time, Shown::DateTime],
            counts_from_1904,
        };
        let cases = [
            ("5.0", "0", "5"),
            ("0.30000000000000004", "0", "0.3"),
            ("1E+20", "0", "1E+20"),
            ("-3", "0", "-3"),
            ("1", "1", "1900-01-01"),
            ("59", "1", "1900-02-28"),
            ("61", "1", "1900-03-01"),
            ("45413", "1", "2024-05-01"),
            ("45413.5625", "3", "2024-05-01 13:30:00"),
            ("0.75", "2", "18:00:00"),
            ("-5", "1", "-5"),
            ("x", "1", "x"),
            ("7", "99", "7"),
        ];
        for (raw, style, expected) in cases {
            assert_eq!(formats(false).number(raw, Some(style)), expected, "{raw} {style}");
        }
        assert_eq!(formats(true).number("0", Some("1")), "1904-01-01");
        assert_eq!(formats(true).number("43951", Some("1")), "2024-05-01");
    }
}
