//! Where a map's nodes stand in a drawing: in columns from left to right, each to the right of all that leads to it, and
//! each kind to the right of the one before. Pure.

use super::rules::{Edge, NodeKind};

/// A box's width.
pub const WIDTH: i32 = 230;
/// Between two columns: room for the weights.
pub const GAP: i32 = 110;
/// A line of text.
pub const LINE: i32 = 18;
/// Between a box's border and its text.
pub const PADDING: i32 = 12;
/// Between two boxes of a column.
const BELOW: i32 = 18;
/// What an edge takes of a column that it crosses.
const CROSSING: i32 = 8;
/// Above the first boxes: room for the headings.
const HEAD: i32 = 54;
/// Round about.
const MARGIN: i32 = 16;
/// So many letters fit into a line of a box.
const LETTERS: usize = 29;

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its left.
    pub x: i32,
    /// Its top.
    pub y: i32,
    /// Its height.
    pub height: i32,
    /// Its text, broken to fit.
    pub lines: Vec<String>,
}

/// A drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In all.
    pub width: i32,
    /// In all.
    pub height: i32,
    /// Of each node.
    pub places: Vec<Place>,
    /// Of each edge, where it crosses the columns between its ends, past their boxes: left and height.
    pub crossings: Vec<Vec<(i32, i32)>>,
    /// Of each kind that there is, the left of its first column.
    pub columns: Vec<(NodeKind, i32)>,
}

/// What takes room in a column: a node's box, or an edge on its way through.
struct Slot {
    column: usize,
    y: i32,
    height: i32,
}

impl Slot {
    fn middle(&self) -> i32 {
        self.y + self.height / 2
    }
}

/// Places the nodes, of which `order` has each before all that it leads to.
pub fn layout(kinds: &[NodeKind], labels: &[&str], order: &[usize], edges: &[Edge]) -> Layout {
    let (column_of, firsts) = columns(kinds, order, edges);
    let x = |column: usize| MARGIN + i32::try_from(column).unwrap_or_default() * (WIDTH + GAP);
    let lines: Vec<Vec<String>> = labels.iter().map(|label| broken(label)).collect();
    let height = |lines: &Vec<String>| i32::try_from(lines.len()).unwrap_or_default() * LINE + 2 * PADDING;
    let boxed = lines.iter().zip(&column_of);
    let mut slots: Vec<Slot> =
        boxed.map(|(lines, column)| Slot { column: *column, y: 0, height: height(lines) }).collect();
    let mut ways: Vec<Vec<usize>> = Vec::with_capacity(edges.len());
    for edge in edges {
        let crossed = column_of[edge.from] + 1..column_of[edge.to];
        let first = slots.len();
        slots.extend(crossed.map(|column| Slot { column, y: 0, height: CROSSING }));
        ways.push([edge.from].into_iter().chain(first..slots.len()).chain([edge.to]).collect());
    }
    let bottom = stack(&mut slots, &ways);
    let count = column_of.iter().max().map_or(1, |last| last + 1);
    let crossing = |slot: &usize| (x(slots[*slot].column), slots[*slot].middle());
    let crossings = ways.iter().map(|way| way[1..way.len() - 1].iter().map(crossing).collect()).collect();
    let place =
        |(lines, slot): (Vec<String>, &Slot)| Place { x: x(slot.column), y: slot.y, height: slot.height, lines };
    Layout {
        width: x(count) - GAP + MARGIN,
        height: bottom - BELOW + MARGIN,
        places: lines.into_iter().zip(&slots).map(place).collect(),
        crossings,
        columns: firsts.into_iter().map(|(kind, column)| (kind, x(column))).collect(),
    }
}

/// Puts what is in a column one below the other, near what leads to it; what nothing leads to comes last, as it was set.
/// Gives the lowest end.
fn stack(slots: &mut [Slot], ways: &[Vec<usize>]) -> i32 {
    let count = slots.iter().map(|slot| slot.column + 1).max().unwrap_or_default();
    let mut bottom = HEAD;
    for column in 0..count {
        let middle_before = |slot: usize| {
            let before = ways.iter().flat_map(|way| way.windows(2)).filter(|pair| pair[1] == slot);
            let before: Vec<i32> = before.map(|pair| slots[pair[0]].middle()).collect();
            let count = i32::try_from(before.len()).ok().filter(|count| *count > 0)?;
            Some(before.iter().sum::<i32>() / count)
        };
        let there = (0..slots.len()).filter(|slot| slots[*slot].column == column);
        let mut there: Vec<(i32, usize)> = there.map(|slot| (middle_before(slot).unwrap_or(i32::MAX), slot)).collect();
        there.sort_unstable();
        let mut y = HEAD;
        for (_, slot) in there {
            slots[slot].y = y;
            y += slots[slot].height + BELOW;
        }
        bottom = bottom.max(y);
    }
    bottom
}

/// The column of each node, and the first of each kind that there is.
fn columns(kinds: &[NodeKind], order: &[usize], edges: &[Edge]) -> (Vec<usize>, Vec<(NodeKind, usize)>) {
    // How many of its own kind lead to it, one after the other.
    let mut depth = vec![0; kinds.len()];
    for &node in order {
        for edge in edges.iter().filter(|edge| edge.from == node && kinds[edge.to] == kinds[node]) {
            depth[edge.to] = depth[edge.to].max(depth[node] + 1);
        }
    }
    let (mut columns, mut firsts, mut first) = (depth.clone(), Vec::new(), 0);
    for kind in [NodeKind::Output, NodeKind::Change, NodeKind::Benefit, NodeKind::Goal] {
        let nodes: Vec<usize> = (0..kinds.len()).filter(|node| kinds[*node] == kind).collect();
        let Some(deepest) = nodes.iter().map(|node| depth[*node]).max() else { continue };
        for node in nodes {
            columns[node] += first;
        }
        firsts.push((kind, first));
        first += deepest + 1;
    }
    (columns, firsts)
}

/// A text in lines that fit into a box; a word that does not is cut.
fn broken(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(LETTERS) {
            let last = lines.last_mut();
            match last {
                Some(line) if line.is_empty() => line.extend(part),
                Some(line) if line.chars().count() + 1 + part.len() <= LETTERS => {
                    line.push(' ');
                    line.extend(part);
                }
                _ => lines.push(part.iter().collect()),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benefits::map::rules::order;

    #[test]
    fn broken_at_words_and_within_those_that_are_too_long() {
        assert_eq!(broken("Færre\nbreve"), ["Færre breve"]);
        assert_eq!(broken(&format!("Kort {}", "å".repeat(40))), ["Kort", &*"å".repeat(29), &*"å".repeat(11)]);
        assert_eq!(broken(""), [""]);
    }

    #[test]
    fn nodes_stand_right_of_what_leads_to_them_and_boxes_never_overlap() {
        use NodeKind::{Benefit, Change, Goal, Output};
        let kinds = [Goal, Benefit, Change, Change, Output, Benefit];
        let edges =
            [(4, 3), (3, 2), (2, 1), (2, 5), (1, 0), (5, 0), (4, 0)].map(|(from, to)| Edge { from, to, weight: 1 });
        let labels = ["Mål", "Gevinst", "En forandring, som det tager mange ord at sige", "B", "Leverance", "G"];
        let found = layout(&kinds, &labels, &order(6, &edges).unwrap(), &edges);
        for edge in &edges {
            assert!(found.places[edge.from].x < found.places[edge.to].x, "{edge:?}");
        }
        for (number, one) in found.places.iter().enumerate() {
            assert!(one.x + WIDTH < found.width && one.y + one.height < found.height);
            for other in &found.places[number + 1..] {
                assert!(one.x != other.x || one.y + one.height < other.y || other.y + other.height < one.y);
            }
        }
        // From the output straight to the goal, past what stands between.
        let crossings = found.crossings.last().unwrap();
        assert_eq!(crossings.len(), 3);
        for (x, y) in crossings {
            let beside = |place: &&Place| place.x == *x;
            assert!(found.places.iter().filter(beside).all(|place| *y < place.y || place.y + place.height < *y));
        }
        assert_eq!(found.columns.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Output, Change, Benefit, Goal]);
    }
}
