//! What a benefit map must be, what it lacks, and how much of each benefit reaches what (I21). Pure. Nodes are numbered in
//! the order that they stand in.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use strum::{EnumString, FromRepr, IntoStaticStr};

/// What stands on a map, in the order of the way. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum NodeKind {
    Output = 1,
    Change = 2,
    Benefit = 3,
    Goal = 4,
}

impl NodeKind {
    /// Whether an edge may lead from here to there: onwards, or on among changes and among benefits.
    pub fn leads_to(self, to: Self) -> bool {
        self < to || (self == to && [Self::Change, Self::Benefit].contains(&to))
    }
}

/// That a node leads to another, with so many per cent of what it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The node that it leaves.
    pub from: usize,
    /// The node that it leads to.
    pub to: usize,
    /// 1 to 100.
    pub weight: u8,
}

/// How many edges a way may have. A share is a product of that many hundredths at most, which a `u128` holds exactly.
pub const LONGEST: usize = 16;
/// What a share is a part of: a hundredth for each edge of the longest way.
const WHOLE: u128 = 100_u128.pow(16);

/// The first edge each at which what leaves a node comes to more than all of it, and what it comes to.
pub fn too_heavy(edges: &[Edge]) -> Vec<(usize, u32)> {
    let mut leaving: BTreeMap<usize, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, edge) in edges.iter().enumerate() {
        let sum = leaving.entry(edge.from).or_default();
        let before = *sum;
        *sum += u32::from(edge.weight);
        if before <= 100 && *sum > 100 {
            found.push((index, *sum));
        }
    }
    found
}

/// The nodes, each before all that it leads to; or the nodes of a circle, in the order of the way, the first one again at
/// its end (I21).
pub fn order(nodes: usize, edges: &[Edge]) -> Result<Vec<usize>, Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnTheWay,
        Done,
    }
    fn visit(
        node: usize,
        next: &[Vec<usize>],
        marks: &mut [Mark],
        way: &mut Vec<usize>,
        done: &mut Vec<usize>,
    ) -> bool {
        way.push(node);
        marks[node] = Mark::OnTheWay;
        for &to in &next[node] {
            match marks[to] {
                Mark::Done => {}
                Mark::OnTheWay => {
                    way.push(to);
                    return false;
                }
                Mark::New => {
                    if !visit(to, next, marks, way, done) {
                        return false;
                    }
                }
            }
        }
        way.pop();
        marks[node] = Mark::Done;
        done.push(node);
        true
    }
    let mut next = vec![Vec::new(); nodes];
    for edge in edges {
        next[edge.from].push(edge.to);
    }
    let (mut marks, mut way, mut done) = (vec![Mark::New; nodes], Vec::new(), Vec::with_capacity(nodes));
    for node in 0..nodes {
        if marks[node] == Mark::New && !visit(node, &next, &mut marks, &mut way, &mut done) {
            let end = way.last().copied();
            return Err(way.into_iter().skip_while(|node| Some(*node) != end).collect());
        }
    }
    done.reverse();
    Ok(done)
}

/// How many edges the longest way to each node has.
pub fn steps_to(order: &[usize], edges: &[Edge]) -> Vec<usize> {
    let mut steps = vec![0; order.len()];
    for &node in order {
        for edge in edges.iter().filter(|edge| edge.from == node) {
            steps[edge.to] = steps[edge.to].max(steps[node] + 1);
        }
    }
    steps
}

/// A share of what a node brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u128);

impl Share {
    /// With six places, half away from zero.
    pub fn rounded(self) -> Decimal {
        let millionth = WHOLE / 1_000_000;
        let millionths = (self.0 + millionth / 2) / millionth;
        Decimal::from_i128_with_scale(i128::try_from(millionths).unwrap_or_default(), 6)
    }
}

/// How much of each node reaches which goals: the sum over all ways of the product of their weights. Of a map without a way
/// longer than [`LONGEST`].
pub fn shares(kinds: &[NodeKind], order: &[usize], edges: &[Edge]) -> Vec<BTreeMap<usize, Share>> {
    let mut shares: Vec<BTreeMap<usize, Share>> = vec![BTreeMap::new(); kinds.len()];
    for &node in order.iter().rev() {
        if kinds[node] == NodeKind::Goal {
            shares[node].insert(node, Share(WHOLE));
            continue;
        }
        let mut reached: BTreeMap<usize, Share> = BTreeMap::new();
        for edge in edges.iter().filter(|edge| edge.from == node) {
            for (goal, share) in &shares[edge.to] {
                reached.entry(*goal).or_default().0 += share.0 / 100 * u128::from(edge.weight);
            }
        }
        shares[node] = reached;
    }
    shares
}

/// What a map lacks. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Lack {
    BenefitNotOnMap = 1,
    BenefitWithoutGoal = 2,
    BenefitWithoutChange = 3,
    ChangeWithoutOutput = 4,
    ChangeLeadsNowhere = 5,
    OutputLeadsNowhere = 6,
    GoalNotReached = 7,
    GoalEnds = 8,
    MeasureClaimedTwice = 9,
    AccountClaimedTwice = 10,
}

/// Which kinds of nodes there are on some ways.
#[derive(Clone, Copy, Default)]
struct Kinds(u8);

impl Kinds {
    fn with(self, kind: NodeKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    fn has(self, kind: NodeKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

/// What a map lacks, node by node.
pub fn lacks(kinds: &[NodeKind], order: &[usize], edges: &[Edge]) -> Vec<(Lack, usize)> {
    let (mut before, mut after) = (vec![Kinds::default(); kinds.len()], vec![Kinds::default(); kinds.len()]);
    for &node in order {
        for edge in edges.iter().filter(|edge| edge.from == node) {
            before[edge.to] = before[edge.to].and(before[node]).with(kinds[node]);
        }
    }
    for &node in order.iter().rev() {
        for edge in edges.iter().filter(|edge| edge.to == node) {
            after[edge.from] = after[edge.from].and(after[node]).with(kinds[node]);
        }
    }
    let mut found = Vec::new();
    for (node, kind) in kinds.iter().enumerate() {
        let leads_nowhere = !after[node].has(NodeKind::Benefit) && !after[node].has(NodeKind::Goal);
        let lacking: &[(Lack, bool)] = match kind {
            NodeKind::Output => &[(Lack::OutputLeadsNowhere, leads_nowhere)],
            NodeKind::Change => &[
                (Lack::ChangeWithoutOutput, !before[node].has(NodeKind::Output)),
                (Lack::ChangeLeadsNowhere, leads_nowhere),
            ],
            NodeKind::Benefit => &[
                (Lack::BenefitWithoutGoal, !after[node].has(NodeKind::Goal)),
                (Lack::BenefitWithoutChange, !before[node].has(NodeKind::Change)),
            ],
            NodeKind::Goal => &[(Lack::GoalNotReached, !before[node].has(NodeKind::Benefit))],
        };
        found.extend(lacking.iter().filter(|(_, lacks)| *lacks).map(|(lack, _)| (*lack, node)));
    }
    found
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use proptest::{collection::vec, prelude::*};
    use strum::IntoEnumIterator;

    use super::*;

    fn edges(edges: &[(usize, usize, u8)]) -> Vec<Edge> {
        edges.iter().map(|&(from, to, weight)| Edge { from, to, weight }).collect()
    }

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for kind in NodeKind::iter() {
            let name = format!("BENEFIT_MAP_NODE_KIND_{}", <&str>::from(kind));
            assert_eq!(pb::BenefitMapNodeKind::from_str_name(&name).map(i32::from), Some(kind as i32), "{name}");
        }
        for lack in Lack::iter() {
            let name = format!("BENEFIT_MAP_FINDING_KIND_{}", <&str>::from(lack));
            assert_eq!(pb::BenefitMapFindingKind::from_str_name(&name).map(i32::from), Some(lack as i32), "{name}");
        }
    }

    #[test]
    fn leads_to_table() {
        use NodeKind::{Benefit, Change, Goal, Output};
        let allowed = [
            (Output, vec![Change, Benefit, Goal]),
            (Change, vec![Change, Benefit, Goal]),
            (Benefit, vec![Benefit, Goal]),
            (Goal, vec![]),
        ];
        for (from, to) in allowed {
            assert_eq!(NodeKind::iter().filter(|kind| from.leads_to(*kind)).collect::<Vec<_>>(), to, "{from:?}");
        }
    }

    #[test]
    fn too_heavy_where_a_node_gives_more_than_all() {
        assert!(too_heavy(&edges(&[(0, 1, 60), (0, 2, 40), (1, 2, 100)])).is_empty());
        assert_eq!(too_heavy(&edges(&[(0, 1, 60), (1, 2, 100), (0, 2, 41), (0, 3, 5)])), [(2, 101)]);
    }

    #[test]
    fn cycle_named_in_the_order_of_the_way_i21() {
        for (nodes, given, cycle) in [
            (4, vec![(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 1, 1)], vec![1, 2, 3, 1]),
            (2, vec![(0, 1, 1), (1, 0, 1)], vec![0, 1, 0]),
            (1, vec![(0, 0, 1)], vec![0, 0]),
        ] {
            assert_eq!(order(nodes, &edges(&given)), Err(cycle));
        }
        assert_eq!(order(3, &edges(&[(2, 1, 1), (1, 0, 1), (2, 0, 1)])), Ok(vec![2, 1, 0]));
    }

    #[test]
    fn shares_summed_over_ways_and_rounded_half_away_from_zero() {
        use NodeKind::{Benefit, Goal};
        // Half of it straight on, 30 % by way of another benefit that gives 90 % of what it gets.
        let kinds = [Benefit, Benefit, Goal];
        let given = edges(&[(0, 2, 50), (0, 1, 30), (1, 2, 90)]);
        let order = order(3, &given).unwrap();
        let found = shares(&kinds, &order, &given);
        assert_eq!(found[0][&2].rounded().to_string(), "0.770000");
        assert_eq!(found[2][&2].rounded(), Decimal::ONE);
        assert_eq!(Share(WHOLE / 2_000_000).rounded().to_string(), "0.000001");
        assert_eq!(Share(WHOLE / 2_000_000 - 1).rounded(), Decimal::ZERO);
    }

    #[test]
    fn longest_way_that_is_allowed_is_exact() {
        let mut kinds = vec![NodeKind::Benefit; LONGEST];
        kinds.push(NodeKind::Goal);
        let given: Vec<Edge> = (0..LONGEST).map(|node| Edge { from: node, to: node + 1, weight: 99 }).collect();
        let order = order(kinds.len(), &given).unwrap();
        assert_eq!(steps_to(&order, &given)[LONGEST], LONGEST);
        assert_eq!(shares(&kinds, &order, &given)[0][&LONGEST], Share(99_u128.pow(16)));
    }

    #[test]
    fn lacks_table() {
        use NodeKind::{Benefit, Change, Goal, Output};
        let all = [Output, Change, Benefit, Goal];
        for (given, lacking) in [
            (vec![(0, 1, 100), (1, 2, 100), (2, 3, 100)], vec![]),
            (
                vec![],
                vec![
                    (Lack::OutputLeadsNowhere, 0),
                    (Lack::ChangeWithoutOutput, 1),
                    (Lack::ChangeLeadsNowhere, 1),
                    (Lack::BenefitWithoutGoal, 2),
                    (Lack::BenefitWithoutChange, 2),
                    (Lack::GoalNotReached, 3),
                ],
            ),
            // The change has been left out.
            (
                vec![(0, 2, 100), (2, 3, 100)],
                vec![(Lack::ChangeWithoutOutput, 1), (Lack::ChangeLeadsNowhere, 1), (Lack::BenefitWithoutChange, 2)],
            ),
            (
                vec![(0, 1, 100), (1, 3, 100)],
                vec![(Lack::BenefitWithoutGoal, 2), (Lack::BenefitWithoutChange, 2), (Lack::GoalNotReached, 3)],
            ),
        ] {
            let given = edges(&given);
            let order = order(4, &given).unwrap();
            assert_eq!(lacks(&all, &order, &given), lacking, "{given:?}");
        }
    }

    /// Kahn's way: nodes to which nothing leads are taken away, until there are none left or nothing can be taken.
    fn is_acyclic(nodes: usize, edges: &[Edge]) -> bool {
        let mut left: Vec<usize> = (0..nodes).collect();
        loop {
            let led_to = |node: &usize| edges.iter().any(|edge| edge.to == *node && left.contains(&edge.from));
            let (kept, taken): (Vec<usize>, Vec<usize>) = left.iter().copied().partition(led_to);
            if taken.is_empty() {
                return kept.is_empty();
            }
            left = kept;
        }
    }

    proptest! {
        #[test]
        fn order_is_one_and_a_circle_is_one_as_found_otherwise_i21(
            nodes in 1_usize..12, drawn in vec((0_usize..12, 0_usize..12), 0..24)
        ) {
            let given: Vec<Edge> =
                drawn.into_iter().map(|(from, to)| Edge { from: from % nodes, to: to % nodes, weight: 1 }).collect();
            let leads = |from: usize, to: usize| given.iter().any(|edge| (edge.from, edge.to) == (from, to));
            match order(nodes, &given) {
                Ok(order) => {
                    prop_assert!(is_acyclic(nodes, &given));
                    let at = |node| order.iter().position(|other| *other == node).unwrap();
                    prop_assert!(order.len() == nodes && given.iter().all(|edge| at(edge.from) < at(edge.to)));
                }
                Err(circle) => {
                    prop_assert!(!is_acyclic(nodes, &given));
                    prop_assert!(circle.len() >= 2 && circle.first() == circle.last());
                    prop_assert!(circle.windows(2).all(|pair| leads(pair[0], pair[1])), "{:?}", circle);
                }
            }
        }

        #[test]
        fn shares_of_a_node_never_exceed_all_of_it(
            benefits in 1_usize..10, goals in 1_usize..4, drawn in vec((0_usize..10, 0_usize..14, 1_u8..=100), 0..40)
        ) {
            let kinds: Vec<NodeKind> = std::iter::repeat_n(NodeKind::Benefit, benefits)
                .chain(std::iter::repeat_n(NodeKind::Goal, goals))
                .collect();
            let mut given: Vec<Edge> = Vec::new();
            for (from, to, weight) in drawn {
                let (from, to) = (from % benefits, to % kinds.len());
                let edge = Edge { from, to, weight };
                let given_already = given.iter().any(|other| (other.from, other.to) == (from, to));
                if from < to && !given_already && too_heavy(&[&given[..], &[edge]].concat()).is_empty() {
                    given.push(edge);
                }
            }
            let order = order(kinds.len(), &given).unwrap();
            for found in shares(&kinds, &order, &given) {
                let sum: u128 = found.values().map(|share| share.0).sum();
                prop_assert!(sum <= WHOLE, "{} of {:?}", sum, given);
            }
        }
    }
}
