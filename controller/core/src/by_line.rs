//! Something for each line, found by the line's number. Numbers are given one after the other, so a place for each is smaller
//! than a table of hashes, needs no look elsewhere, and is never built anew while it grows.

use crate::ids::LineNo;

/// Lines in one piece: a piece whose lines are all forgotten is given back.
const PIECE: usize = 256;

/// At most one thing for each line.
#[derive(Clone, Debug)]
pub(crate) struct ByLine<T> {
    pieces: Vec<Option<Box<Piece<T>>>>,
}

#[derive(Clone, Debug)]
struct Piece<T> {
    used: usize,
    places: [Option<T>; PIECE],
}

impl<T> Default for ByLine<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

fn place(line: LineNo) -> (usize, usize) {
    let number = line.0 as usize;
    (number / PIECE, number % PIECE)
}

impl<T> ByLine<T> {
    pub(crate) fn get(&self, line: LineNo) -> Option<&T> {
        let (piece, at) = place(line);
        self.pieces.get(piece)?.as_ref()?.places.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, line: LineNo) -> Option<&mut T> {
        let (piece, at) = place(line);
        self.pieces.get_mut(piece)?.as_mut()?.places.get_mut(at)?.as_mut()
    }

    pub(crate) fn insert(&mut self, line: LineNo, thing: T) {
        let (piece, at) = place(line);
        let Piece { used, places } = self.piece(piece);
        *used += usize::from(places[at].is_none());
        places[at] = Some(thing);
    }

    /// What there is, or what is made now.
    pub(crate) fn get_or_insert_with(&mut self, line: LineNo, make: impl FnOnce() -> T) -> &mut T {
        let (piece, at) = place(line);
        let Piece { used, places } = self.piece(piece);
        let place = &mut places[at];
        *used += usize::from(place.is_none());
        place.get_or_insert_with(make)
    }

    fn piece(&mut self, piece: usize) -> &mut Piece<T> {
        if self.pieces.len() <= piece {
            self.pieces.resize_with(piece + 1, || None);
        }
        self.pieces[piece].get_or_insert_with(|| Box::new(Piece { used: 0, places: std::array::from_fn(|_| None) }))
    }

    pub(crate) fn remove(&mut self, line: LineNo) -> Option<T> {
        let (piece, at) = place(line);
        let slot = self.pieces.get_mut(piece)?;
        let found = slot.as_mut()?;
        let taken = found.places.get_mut(at)?.take()?;
        found.used -= 1;
        if found.used == 0 {
            *slot = None;
        }
        Some(taken)
    }

    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten().flat_map(|piece| piece.places.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_and_gives_empty_pieces_back(
            steps in proptest::collection::vec((0u32..1_000, proptest::option::of(any::<u8>())), 0..200),
        ) {
            let (mut ours, mut map) = (ByLine::default(), BTreeMap::new());
            for (line, what) in steps {
                match what {
                    Some(what) if what % 2 == 0 => {
                        ours.insert(LineNo(line), what);
                        map.insert(line, what);
                    }
                    Some(what) => {
                        prop_assert_eq!(*ours.get_or_insert_with(LineNo(line), || what), *map.entry(line).or_insert(what));
                    }
                    None => prop_assert_eq!(ours.remove(LineNo(line)), map.remove(&line)),
                }
                prop_assert_eq!(ours.get(LineNo(line)), map.get(&line));
                prop_assert_eq!(ours.get_mut(LineNo(line)), map.get_mut(&line));
            }
            prop_assert_eq!(ours.values().collect::<Vec<_>>(), map.values().collect::<Vec<_>>());
            let pieces = ours.pieces.iter().flatten().count();
            let used: std::collections::BTreeSet<usize> = map.keys().map(|line| *line as usize / PIECE).collect();
            prop_assert_eq!(pieces, used.len());
        }
    }
}
