//! Whether bytes are a message of a known shape, without making one: only ever a yes.
#![forbid(unsafe_code)]

use crate::fields::{short, sized, varint};

/// Messages that are nested deeper are for protobuf itself to judge.
const DEPTH_MAX: usize = 64;
/// Tags are below this, or of no field that is known here.
const TAGS: usize = 256;

/// What may stand in a field.
#[derive(Clone, Copy)]
pub enum Rule {
    Unknown,
    Varint,
    Fixed64,
    Fixed32,
    Bytes,
    Text,
    Message(usize),
    /// So many octets, which are not all zero: it has to be there, once.
    Id(usize),
}

/// The rules of a message's fields, by their tags.
pub struct Message {
    rules: [Rule; TAGS],
    ids: usize,
}

impl Message {
    /// From the rules by tag. None where a tag is too large.
    pub fn new(fields: &[(u64, Rule)]) -> Option<Self> {
        let mut rules = [Rule::Unknown; TAGS];
        for &(tag, rule) in fields {
            *rules.get_mut(usize::try_from(tag).ok()?)? = rule;
        }
        let ids = fields.iter().filter(|(_, rule)| matches!(rule, Rule::Id(_))).count();
        Some(Self { rules, ids })
    }
}

/// Messages, of which the first is the outermost, and which of them is counted.
pub struct Shape {
    pub messages: Vec<Message>,
    pub counted: usize,
}

impl Shape {
    /// How many counted messages are in this one; None where it is not surely sound.
    pub fn count(&self, data: &[u8]) -> Option<usize> {
        let mut count = 0;
        self.walk(0, data, DEPTH_MAX, &mut count)?;
        Some(count)
    }

    fn walk(&self, message: usize, data: &[u8], depth: usize, count: &mut usize) -> Option<()> {
        let Message { rules, ids } = self.messages.get(message)?;
        *count += usize::from(message == self.counted);
        let (mut at, mut found, mut last_id) = (0, 0, 0);
        while at < data.len() {
            let (tag, start) = short(data, at)?;
            let rule = rules.get(usize::try_from(tag).ok()?)?;
            at = match rule {
                Rule::Unknown => return None,
                Rule::Varint => varint(data, start)?.1,
                Rule::Fixed64 => start + 8,
                Rule::Fixed32 => start + 4,
                Rule::Bytes | Rule::Text | Rule::Message(_) | Rule::Id(_) => {
                    let (start, end) = sized(data, start)?;
                    let value = data.get(start..end)?;
                    match *rule {
                        Rule::Text if !is_text(value) => return None,
                        Rule::Message(inner) => {
                            self.walk(inner, value, depth.checked_sub(1)?, count)?;
                        }
                        Rule::Id(size) => {
                            if tag <= last_id || value.len() != size || value.iter().all(|&octet| octet == 0) {
                                return None;
                            }
                            (found, last_id) = (found + 1, tag);
                        }
                        _ => {}
                    }
                    end
                }
            };
        }
        (at == data.len() && found == *ids).then_some(())
    }
}

fn is_text(value: &[u8]) -> bool {
    value.is_ascii() || std::str::from_utf8(value).is_ok()
}
