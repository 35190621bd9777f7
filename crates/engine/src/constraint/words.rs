//! One of several texts, byte by byte.

/// The texts of a sorted list that begin with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Range {
    first: u32,
    end: u32,
    /// Bytes that were read.
    at: u32,
}

impl Range {
    /// All texts of a list.
    pub(super) fn all(count: usize) -> Self {
        Self { first: 0, end: u32::try_from(count).unwrap_or(u32::MAX), at: 0 }
    }

    /// The places of its texts in the list.
    pub(super) fn places(self) -> std::ops::Range<usize> {
        self.first as usize..self.end as usize
    }

    /// Those of the texts that go on with a byte; `None` where there is none.
    pub(super) fn step<'a>(self, byte: u8, text: impl Fn(usize) -> Option<&'a [u8]>) -> Option<Self> {
        let at = self.at as usize;
        // A text that ends here comes first.
        let next = |place: usize| text(place).and_then(|text| text.get(at).copied());
        let first = partition(self.places(), |place| next(place).is_none_or(|next| next < byte));
        let end = partition(first..self.end as usize, |place| next(place).is_none_or(|next| next <= byte));
        let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        (first < end).then(|| Self { first: place(first), end: place(end), at: self.at + 1 })
    }

    /// The place of the text that was read to its end, if one was.
    pub(super) fn complete<'a>(self, text: impl Fn(usize) -> Option<&'a [u8]>) -> Option<usize> {
        let first = self.first as usize;
        text(first).filter(|text| text.len() == self.at as usize && self.first < self.end).map(|_| first)
    }
}

/// The first place of a sorted range where this is false.
fn partition(places: std::ops::Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (places.start, places.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_byte_by_byte() {
        let words: [&[u8]; 5] = [b"a", b"ab", b"abc", b"b", b"ba"];
        let text = |place: usize| words.get(place).copied();
        let check = |read: &str, places: Option<std::ops::Range<usize>>, complete: Option<usize>| {
            let range = read.bytes().try_fold(Range::all(words.len()), |range, byte| range.step(byte, text));
            assert_eq!(range.map(Range::places), places, "{read}");
            assert_eq!(range.and_then(|range| range.complete(text)), complete, "{read}");
        };
        check("", Some(0..5), None);
        check("a", Some(0..3), Some(0));
        check("ab", Some(1..3), Some(1));
        check("abc", Some(2..3), Some(2));
        check("abcd", None, None);
        check("b", Some(3..5), Some(3));
        check("c", None, None);
    }
}
