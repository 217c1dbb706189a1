//! Protobuf's wire format, field by field.
#![forbid(unsafe_code)]

pub const VARINT: u64 = 0;
pub const FIXED64: u64 = 1;
pub const LENGTH: u64 = 2;
pub const FIXED32: u64 = 5;
/// The most octets of a varint, and of one that is a tag or a length.
const OCTETS_MAX: usize = 10;
const SHORT_OCTETS_MAX: usize = 5;
/// What the last octet of a varint of the most octets may be.
const LAST_OCTET_MAX: u8 = 1;

/// A field of a message: its tag, where it begins, and where its value stands, without tag and length.
#[derive(Clone, Copy)]
pub struct Field {
    pub tag: u64,
    pub begin: usize,
    pub start: usize,
    pub end: usize,
}

/// What is no field: cut short, a group, or a number that is too long.
pub struct Broken;

/// The fields of the message that stands between two places.
pub struct Fields<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// `start` and `end` are in `data`, or nothing is there.
    pub fn between(data: &'a [u8], start: usize, end: usize) -> Self {
        let end = end.min(data.len());
        Self { data: &data[..end], at: start.min(end) }
    }

    fn read(&mut self) -> Option<Field> {
        let begin = self.at;
        let (tag, at) = short(self.data, begin)?;
        let (start, end) = match tag & 7 {
            VARINT => (at, varint(self.data, at)?.1),
            FIXED64 => (at, at + 8),
            LENGTH => sized(self.data, at)?,
            FIXED32 => (at, at + 4),
            _ => return None,
        };
        if end > self.data.len() || tag >> 3 == 0 {
            return None;
        }
        self.at = end;
        Some(Field { tag, begin, start, end })
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.data.len() {
            return None;
        }
        let field = self.read().ok_or(Broken);
        if field.is_err() {
            self.at = self.data.len(); // nothing behind it can be told
        }
        Some(field)
    }
}

/// The number that begins at a place, and where it ends.
#[inline]
pub fn varint(data: &[u8], at: usize) -> Option<(u64, usize)> {
    number(data, at, OCTETS_MAX)
}

/// The same of a tag, which protobuf wants to be shorter.
#[inline]
pub fn short(data: &[u8], at: usize) -> Option<(u64, usize)> {
    number(data, at, SHORT_OCTETS_MAX)
}

/// Where a value begins and ends whose length stands at a place; it may reach beyond the data.
#[inline]
pub fn sized(data: &[u8], at: usize) -> Option<(usize, usize)> {
    let (size, start) = number(data, at, SHORT_OCTETS_MAX)?;
    Some((start, start.checked_add(usize::try_from(size).ok()?)?))
}

#[inline]
fn number(data: &[u8], at: usize, octets_max: usize) -> Option<(u64, usize)> {
    let first = *data.get(at)?;
    if first < 0x80 { Some((u64::from(first), at + 1)) } else { long_number(data, at, octets_max) }
}

fn long_number(data: &[u8], at: usize, octets_max: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, &octet) in data[at..].iter().take(octets_max).enumerate() {
        value |= u64::from(octet & 0x7F) << (7 * place);
        if octet < 0x80 {
            let is_sound = place + 1 < OCTETS_MAX || octet <= LAST_OCTET_MAX;
            return is_sound.then_some((value, at + place + 1));
        }
    }
    None
}
