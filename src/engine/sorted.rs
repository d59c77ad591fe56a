//! Values in order, for the median: one line of them, or several lines of a bounded length, so that a value comes and goes
//! without moving all others.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most values of a line. A line that is full is cut in two.
const LINE_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) enum Sorted {
    One(Vec<i64>),
    Many(Box<Lines>),
}

/// None is empty.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Vec<Vec<i64>>,
    len: usize,
}

impl Sorted {
    pub(crate) fn new() -> Self {
        Sorted::One(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Sorted::One(line) => line.len(),
            Sorted::Many(many) => many.len,
        }
    }

    /// Bytes behind its own place.
    pub(crate) fn bytes(&self) -> usize {
        let of = |line: &Vec<i64>| line.capacity() * size_of::<i64>();
        match self {
            Sorted::One(line) => of(line),
            Sorted::Many(many) => {
                let heads = many.lines.capacity() * size_of::<Vec<i64>>();
                size_of::<Lines>() + heads + many.lines.iter().map(of).sum::<usize>()
            }
        }
    }

    pub(crate) fn add(&mut self, value: i64) {
        match self {
            Sorted::One(line) if line.len() < LINE_MAX => line.insert(line.partition_point(|x| *x < value), value),
            Sorted::One(line) => {
                let mut many = Lines { len: line.len(), lines: vec![std::mem::take(line)] };
                many.add(value);
                *self = Sorted::Many(Box::new(many));
            }
            Sorted::Many(many) => many.add(value),
        }
    }

    /// Takes out a value that is there.
    pub(crate) fn remove(&mut self, value: i64) {
        match self {
            Sorted::One(line) => {
                line.remove(line.partition_point(|x| *x < value));
            }
            Sorted::Many(many) => {
                many.remove(value);
                if let [line] = many.lines.as_mut_slice() {
                    *self = Sorted::One(std::mem::take(line));
                }
            }
        }
    }

    /// The two in the middle; the same one twice when their number is odd.
    pub(crate) fn middle(&self) -> Option<(i64, i64)> {
        let last = self.len().checked_sub(1)?;
        Some((self.at(last / 2), self.at(last.div_ceil(2))))
    }

    fn at(&self, mut position: usize) -> i64 {
        match self {
            Sorted::One(line) => line[position],
            Sorted::Many(many) => {
                let mut lines = many.lines.iter();
                loop {
                    let line = lines.next().expect("a position is below the number of values");
                    match line.get(position) {
                        Some(value) => return *value,
                        None => position -= line.len(),
                    }
                }
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = i64> {
        let lines = match self {
            Sorted::One(line) => std::slice::from_ref(line),
            Sorted::Many(many) => many.lines.as_slice(),
        };
        lines.iter().flatten().copied()
    }
}

impl Lines {
    /// The line where a value is or would be: the first one that does not end before it.
    fn line_of(&self, value: i64) -> usize {
        let ends_before = |line: &Vec<i64>| line.last().is_some_and(|last| *last < value);
        self.lines.partition_point(ends_before).min(self.lines.len() - 1)
    }

    fn add(&mut self, value: i64) {
        let at = self.line_of(value);
        let line = &mut self.lines[at];
        line.insert(line.partition_point(|x| *x < value), value);
        self.len += 1;
        if line.len() > LINE_MAX {
            let upper = line.split_off(LINE_MAX / 2);
            self.lines.insert(at + 1, upper);
        }
    }

    fn remove(&mut self, value: i64) {
        let at = self.line_of(value);
        let line = &mut self.lines[at];
        line.remove(line.partition_point(|x| *x < value));
        self.len -= 1;
        // A short line joins a neighbour, so that there are never many short ones.
        let (low, high) = if at + 1 < self.lines.len() { (at, at + 1) } else { (at.saturating_sub(1), at) };
        let is_short = self.lines[at].len() < LINE_MAX / 8;
        if is_short && low < high && self.lines[low].len() + self.lines[high].len() <= LINE_MAX / 2
            || self.lines[at].is_empty()
        {
            let upper = self.lines.remove(high);
            self.lines[low].extend(upper);
        }
    }
}

impl Serialize for Sorted {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.values().collect::<Vec<i64>>())
    }
}

impl<'de> Deserialize<'de> for Sorted {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut values = Vec::<i64>::deserialize(from)?;
        values.sort_unstable();
        if values.len() <= LINE_MAX {
            return Ok(Sorted::One(values));
        }
        let lines = values.chunks(LINE_MAX / 2).map(<[i64]>::to_vec).collect();
        Ok(Sorted::Many(Box::new(Lines { len: values.len(), lines })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Grows over several lines and shrinks back, by runs of near values, so that lines are cut and join.
        #[test]
        fn it_has_the_middle_of_a_plain_sorted_list(
            steps in prop::collection::vec((any::<bool>(), -9_i64..9, 1_usize..900), 1..30)
        ) {
            let (mut sorted, mut plain) = (Sorted::new(), Vec::new());
            for (adds, start, count) in steps {
                for nth in 0..count {
                    if adds {
                        let value = start * 50 + (nth * 7 % 101) as i64;
                        sorted.add(value);
                        plain.insert(plain.partition_point(|x| *x < value), value);
                    } else if !plain.is_empty() {
                        let at = ((start + 9) as usize * 53 + nth / 2) % plain.len();
                        sorted.remove(plain.remove(at));
                    }
                }
                prop_assert_eq!(sorted.len(), plain.len());
                prop_assert!(sorted.values().eq(plain.iter().copied()));
                let last = plain.len().checked_sub(1);
                prop_assert_eq!(sorted.middle(), last.map(|l| (plain[l / 2], plain[l.div_ceil(2)])));
                if let Sorted::Many(many) = &sorted {
                    prop_assert!(many.lines.iter().all(|line| (1..=LINE_MAX).contains(&line.len())));
                }
                let bytes = postcard::to_stdvec(&sorted).unwrap();
                prop_assert_eq!(&bytes, &postcard::to_stdvec(&plain).unwrap(), "saved as a plain list");
                sorted = postcard::from_bytes(&bytes).unwrap();
                prop_assert!(sorted.values().eq(plain.iter().copied()));
            }
        }
    }
}
