//! What texts hold, which are given as views: 16 octets each, as Arrow's.
#![forbid(unsafe_code)]

use regex::bytes::Regex;

/// A text that is no longer stands in its view.
const INLINE_MAX: usize = 12;

/// Expressions, eight at most.
pub struct Patterns(Vec<Regex>);

impl Patterns {
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        if patterns.len() > 8 {
            return Err("more than eight patterns".to_owned());
        }
        let all = patterns.iter().map(|pattern| Regex::new(pattern).map_err(|error| error.to_string()));
        all.collect::<Result<_, _>>().map(Self)
    }

    /// Of each text the expressions that are found in it, a bit each; None where a view leads out of the octets.
    pub fn search(&self, octets: &[u8], views: &[[u64; 2]]) -> Option<Vec<u8>> {
        let mut order: Vec<usize> = (0..views.len()).collect();
        order.sort_unstable_by_key(|&at| views[at][1]); // as they stand in memory, which is quicker than they come
        let mut found = vec![0; views.len()];
        for at in order {
            found[at] = self.found(octets, views[at])?;
        }
        Some(found)
    }

    fn found(&self, octets: &[u8], view: [u64; 2]) -> Option<u8> {
        let inline = (u128::from(view[1]) << 32 | u128::from(view[0] >> 32)).to_le_bytes();
        let size = usize::try_from(view[0] & u64::from(u32::MAX)).ok()?;
        let text = if size <= INLINE_MAX {
            &inline[..size]
        } else {
            let start = usize::try_from(view[1] >> 32).ok()?;
            octets.get(start..start.checked_add(size)?)?
        };
        Some(self.0.iter().enumerate().fold(0, |bits, (at, one)| bits | u8::from(one.is_match(text)) << at))
    }
}
