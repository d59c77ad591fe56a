//! A vector in pieces of fixed size: one that doubles copies all that it holds within one step, which stalls it when that is
//! millions of logs, and holds them twice meanwhile.

use std::ops::{Index, IndexMut};

/// Items in a piece: a power of two.
const PIECE: usize = 1 << 10;

/// Items by number; numbers count from 0 and none is taken away.
#[derive(Debug)]
pub(crate) struct Pieces<T>(Vec<Vec<T>>);

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Pieces(Vec::new())
    }
}

impl<T> Pieces<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PIECE + last.len())
    }

    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.0.get(number / PIECE)?.get(number % PIECE)
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.0.get_mut(number / PIECE)?.get_mut(number % PIECE)
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < PIECE => last.push(item),
            // The first one grows from nothing: most have few items.
            last => {
                let room = if last.is_some() { PIECE } else { 1 };
                let mut piece = Vec::with_capacity(room);
                piece.push(item);
                self.0.push(piece);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Index<usize> for Pieces<T> {
    type Output = T;

    fn index(&self, number: usize) -> &T {
        &self.0[number / PIECE][number % PIECE]
    }
}

impl<T> IndexMut<usize> for Pieces<T> {
    fn index_mut(&mut self, number: usize) -> &mut T {
        &mut self.0[number / PIECE][number % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_stays_at_its_number_over_several_pieces() {
        let mut items = Pieces::default();
        assert_eq!((items.len(), items.get(0)), (0, None));
        let count = 3 * PIECE + 5;
        for number in 0..count {
            items.push(number);
            assert_eq!(items.len(), number + 1);
        }
        items[2 * PIECE] = 7;
        let right = |number: usize| if number == 2 * PIECE { 7 } else { number };
        assert!((0..count).all(|number| items[number] == right(number) && items.get(number) == Some(&right(number))));
        assert!(items.iter().copied().eq((0..count).map(right)));
        assert_eq!(items.get_mut(count), None);
    }
}
