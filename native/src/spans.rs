//! Spans by columns: the fields and attributes of many, where they stand.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::fields::{Field, Fields, sized, varint};

/// Tags of the fields of a Span that there is one of at most, in the order of `Columns::single`.
pub const SINGLE: [u64; 9] = [0x0A, 0x12, 0x22, 0x2A, 0x30, 0x39, 0x41, 0x7A, 0x85];
const TRACE_ID: u64 = SINGLE[0];
const START: u64 = SINGLE[5];
const ATTRIBUTE: u64 = 0x4A;
const EVENT: u64 = 0x5A;
/// As every SDK writes them, trace and start are among so many.
const FIRST_FIELDS: usize = 7;
/// A span with more fields, or a portion with more keys, is not read here.
const FIELDS_MAX: usize = 255;
const KEYS_MAX: usize = 4096;
/// Attributes of a span that there is room for at first.
const ATTRIBUTES_OFTEN: usize = 16;
/// A text that is no longer stands in its view.
const INLINE_MAX: usize = 12;

/// Where trace id and start time of a span stand, as far as its first fields tell: the place of the one, the other.
pub fn head(data: &[u8], start: usize, end: usize) -> (usize, u64) {
    let (mut trace, mut began) = (0, 0);
    for field in Fields::between(data, start, end).take(FIRST_FIELDS).flatten() {
        match field.tag {
            TRACE_ID => trace = field.start,
            START => began = word(&data[field.start..]),
            _ => {}
        }
    }
    (trace, began)
}

/// Where the messages of a repeated field stand in one, and what else is there. None where nothing else is told.
pub fn inner(data: &[u8], start: usize, end: usize, tag: u64) -> Option<(Vec<i64>, Vec<i64>, Vec<u8>)> {
    let (mut starts, mut ends, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields::between(data, start, end) {
        let field = field.ok()?;
        if field.tag == tag {
            starts.push(signed(field.start));
            ends.push(signed(field.end));
        } else {
            rest.extend_from_slice(&data[field.begin..field.end]);
        }
    }
    Some((starts, ends, rest))
}

/// What is read of many spans. Places are in the data that they were read from.
pub struct Columns {
    rows: usize,
    /// Of each tag of `SINGLE` row by row where the field stands, 0 and 0 where it is missing.
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    pub has_events: Vec<bool>,
    /// Rows that cannot be read here; they have no attributes.
    pub is_odd: Vec<bool>,
    /// Fields of no column: row, begin, end.
    pub rest: Vec<(i64, i64, i64)>,
    attributes: Vec<Attribute>,
    keys: Keys,
}

/// An attribute, with the number of its key; see `attributes.py`.
struct Attribute {
    value: [u64; 2],
    row: u32,
    key: u16,
    letter: u8,
}

/// The attributes key by key, those of one key in the order of their rows; `bounds` tell where each key's begin, and
/// `order` where those stand that each row has, row by row.
pub struct Attributes {
    pub names: Vec<String>,
    pub bounds: Vec<usize>,
    pub rows: Vec<i64>,
    pub order: Vec<i64>,
    pub letters: Vec<u8>,
    pub values: Vec<[u64; 2]>,
}

impl Columns {
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            starts: vec![0; rows * SINGLE.len()],
            ends: vec![0; rows * SINGLE.len()],
            has_events: vec![false; rows],
            is_odd: vec![false; rows],
            rest: Vec::new(),
            attributes: Vec::with_capacity(rows * ATTRIBUTES_OFTEN),
            keys: Keys::default(),
        }
    }

    /// Read the span of a row.
    pub fn read(&mut self, row: usize, data: &[u8], start: usize, end: usize) {
        let kept = (self.attributes.len(), self.rest.len());
        if self.fields(row, data, start, end).is_none() {
            self.is_odd[row] = true;
            self.attributes.truncate(kept.0);
            self.rest.truncate(kept.1);
        }
    }

    fn fields(&mut self, row: usize, data: &[u8], start: usize, end: usize) -> Option<()> {
        let mut step = 0;
        for (count, field) in Fields::between(data, start, end).enumerate() {
            let field = field.ok().filter(|_| count < FIELDS_MAX)?;
            if field.tag == ATTRIBUTE {
                let (key, letter, value) = self.keys.attribute(data, field, step, row)?;
                self.attributes.push(Attribute { value, row: u32::try_from(row).ok()?, key, letter });
                step += 1;
            } else if let Some(place) = SINGLE.iter().position(|&tag| tag == field.tag) {
                let place = place * self.rows + row;
                if self.ends[place] != 0 {
                    return None; // twice
                }
                (self.starts[place], self.ends[place]) = (signed(field.start), signed(field.end));
            } else {
                self.has_events[row] |= field.tag == EVENT;
                self.rest.push((signed(row), signed(field.begin), signed(field.end)));
            }
        }
        Some(())
    }

    /// The attributes that were read; they are here no more.
    pub fn attributes(&mut self) -> Attributes {
        let (read, names) = (std::mem::take(&mut self.attributes), std::mem::take(&mut self.keys).names);
        let mut bounds = vec![0; names.len() + 1];
        for attribute in &read {
            bounds[usize::from(attribute.key) + 1] += 1;
        }
        for key in 0..names.len() {
            bounds[key + 1] += bounds[key];
        }
        let mut next = bounds.clone();
        let (mut rows, mut order) = (vec![0; read.len()], Vec::with_capacity(read.len()));
        let (mut letters, mut values) = (vec![0; read.len()], vec![[0; 2]; read.len()]);
        for attribute in &read {
            let place = next[usize::from(attribute.key)];
            next[usize::from(attribute.key)] += 1;
            rows[place] = i64::from(attribute.row);
            order.push(signed(place));
            letters[place] = attribute.letter;
            values[place] = attribute.value;
        }
        Attributes { names, bounds, rows, order, letters, values }
    }
}

/// The keys that were met. Spans of one emitter have the same ones at the same places: those are tried first.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    numbers: HashMap<String, u16>,
    /// The row that had a key last, counted from 1.
    rows: Vec<usize>,
    /// The key that was at a place last.
    expected: Vec<u16>,
}

impl Keys {
    /// Key, type and value of a `KeyValue` that is spelled as every SDK does; None for all others.
    fn attribute(&mut self, data: &[u8], field: Field, step: u8, row: usize) -> Option<(u16, u8, [u64; 2])> {
        let octets = &data[field.start..field.end];
        let size = usize::from(*octets.get(1)?);
        if octets[0] != 0x0A || size >= 0x80 || *octets.get(size + 2)? != 0x12 {
            return None;
        }
        let key = self.number(&octets[2..size + 2], usize::from(step))?;
        if std::mem::replace(&mut self.rows[usize::from(key)], row + 1) == row + 1 {
            return None; // twice
        }
        let (letter, value) = any_value(&data[..field.end], field.start + size + 3)?;
        Some((key, letter, value))
    }

    fn number(&mut self, key: &[u8], step: usize) -> Option<u16> {
        let expected = self.expected.get(step).copied();
        if let Some(number) = expected.filter(|&number| self.names[usize::from(number)].as_bytes() == key) {
            return Some(number);
        }
        let number = self.known(key)?;
        match self.expected.get_mut(step) {
            Some(place) => *place = number,
            None => self.expected.push(number), // the places before it have theirs
        }
        Some(number)
    }

    fn known(&mut self, key: &[u8]) -> Option<u16> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(&number) = self.numbers.get(key) {
            return Some(number);
        }
        if self.names.len() == KEYS_MAX {
            return None;
        }
        let number = u16::try_from(self.names.len()).ok()?;
        self.names.push(key.to_owned());
        self.numbers.insert(key.to_owned(), number);
        self.rows.push(0);
        Some(number)
    }
}

/// Type and value of the `AnyValue` whose length stands at a place, and which reaches to the end of the data.
fn any_value(data: &[u8], at: usize) -> Option<(u8, [u64; 2])> {
    let (start, end) = sized(data, at)?;
    if end != data.len() || start == end {
        return None;
    }
    let (size, inner) = ((end - start) as u64, start + 1);
    let (letter, end, value) = match data[start] {
        0x0A => {
            let (text, end) = sized(data, inner)?;
            (b's', end, view(data.get(text..end)?, text)?)
        }
        tag @ (0x10 | 0x18) => {
            let (number, end) = varint(data, inner)?;
            (if tag == 0x10 { b'b' } else { b'i' }, end, [number, size - 1])
        }
        0x21 => (b'd', inner + 8, [word(data.get(inner..)?), size]),
        tag @ (0x2A | 0x32 | 0x3A) => {
            let (_, end) = sized(data, inner)?;
            let letter = match tag {
                0x2A => b'a',
                0x32 => b'm',
                _ => b'y',
            };
            (letter, end, [start as u64, size])
        }
        _ => return None,
    };
    (end == data.len()).then_some((letter, value))
}

/// Arrow's views of ranges of octets, which are its buffer of that number. None where one of them is not there.
pub fn views(data: &[u8], places: impl Iterator<Item = (usize, usize)>, buffer: u32) -> Option<Vec<[u64; 2]>> {
    let number = u64::from(buffer);
    let long = |size: usize| if size > INLINE_MAX { number } else { 0 };
    places
        .map(|(start, size)| {
            let [first, last] = view(data.get(start..start.checked_add(size)?)?, start)?;
            Some([first, last | long(size)])
        })
        .collect()
}

/// Arrow's view of a text, which is in the first of its buffers. None where that is too large for it: it counts in i32.
fn view(text: &[u8], at: usize) -> Option<[u64; 2]> {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&i32::try_from(text.len()).ok()?.to_le_bytes());
    if text.len() <= INLINE_MAX {
        octets[4..4 + text.len()].copy_from_slice(text);
    } else {
        octets[4..8].copy_from_slice(&text[..4]);
        octets[12..].copy_from_slice(&i32::try_from(at).ok()?.to_le_bytes());
    }
    Some([word(&octets), word(&octets[8..])])
}

/// The number that the first eight octets are, as many as there are.
fn word(octets: &[u8]) -> u64 {
    octets.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

pub fn signed(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
