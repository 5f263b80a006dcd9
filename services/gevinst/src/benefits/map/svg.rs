//! A map as an image: one SVG document without script or anything from elsewhere, to be read on paper too. Who cannot see it
//! is told the same in words.

use gevinst_proto::v1 as pb;
use maud::{Markup, html};

use super::{
    KINDS,
    layout::{self, Layout, Place},
    rules::{self, Edge, NodeKind},
};
use crate::dossier::words::{Language, Words};

/// As IANA has it registered.
pub const MEDIA_TYPE: &str = "image/svg+xml";

const TITLE: Words = ("Gevinstdiagram", "Benefit map");
const EMPTY: Words = ("Diagrammet er tomt.", "The map is empty.");
const LEADS: Words = ("fører til", "leads to");

/// The whole document, of the project of this name.
pub fn document(map: &pb::BenefitMap, of: &str, language: Language) -> Markup {
    let labels: Vec<&str> = map.nodes.iter().map(|node| language.text(node.label.as_ref())).collect();
    let kinds: Vec<NodeKind> =
        map.nodes.iter().map(|node| NodeKind::from_repr(node.kind).unwrap_or(NodeKind::Output)).collect();
    let number = |key: &str| map.nodes.iter().position(|node| node.key == key);
    let edge = |edge: &pb::BenefitMapEdge| {
        let weight = u8::try_from(edge.weight).unwrap_or_default();
        Some(Edge { from: number(&edge.from)?, to: number(&edge.to)?, weight })
    };
    let edges: Vec<Edge> = map.edges.iter().filter_map(edge).collect();
    // A circle cannot have been set; it would still be drawn.
    let order = rules::order(kinds.len(), &edges).unwrap_or_default();
    let found = layout::layout(&kinds, &labels, &order, &edges);
    let (width, height) = (found.width, found.height);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" lang=(language.tag()) role="img" aria-labelledby="map-title map-words"
            viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height)
            font-family="Segoe UI, Helvetica Neue, Arial, sans-serif" font-size="14" fill="#000"
        {
            title id="map-title" { (language.of(TITLE)) ": " (of) }
            desc id="map-words" { (in_words(&labels, &edges, language)) }
            defs {
                marker id="map-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9"
                    markerUnits="userSpaceOnUse" orient="auto"
                { path d="M0 0L8 4L0 8Z" fill="#444" {} }
            }
            rect width=(width) height=(height) fill="#fff" {}
            (headings(&found, language))
            @for (number, edge) in edges.iter().enumerate() { (line(&found, number, *edge)) }
            @for (place, kind) in found.places.iter().zip(&kinds) { (shown(place, *kind)) }
            @for (number, edge) in edges.iter().enumerate() { (weight(&found, number, *edge)) }
        }
    }
}

/// What leads to what.
fn in_words(labels: &[&str], edges: &[Edge], language: Language) -> String {
    let leads = |edge: &Edge| {
        let (from, to) = (labels[edge.from], labels[edge.to]);
        format!("{from} {} {to} ({} %).", language.of(LEADS), edge.weight)
    };
    let alone = |node: &usize| edges.iter().all(|edge| edge.from != *node && edge.to != *node);
    let alone = (0..labels.len()).filter(alone).map(|node| format!("{}.", labels[node]));
    let said: Vec<String> = edges.iter().map(leads).chain(alone).collect();
    if said.is_empty() { language.of(EMPTY).to_owned() } else { said.join(" ") }
}

fn headings(found: &Layout, language: Language) -> Markup {
    let called = |kind: NodeKind| KINDS.iter().find(|(other, _)| *other as i32 == kind as i32).map(|(_, words)| *words);
    html! {
        @for (kind, x) in &found.columns {
            @if let Some(words) = called(*kind) {
                text x=(x) y="34" font-size="17" font-weight="700" fill=(colours(*kind).0) { (language.of(words)) }
            }
        }
    }
}

/// The border and the ground of a kind's boxes: told apart in grey too, by how dark the border is and by the heading.
fn colours(kind: NodeKind) -> (&'static str, &'static str) {
    match kind {
        NodeKind::Output => ("#3b4a5a", "#f3f5f7"),
        NodeKind::Change => ("#7a4a00", "#fdf5e8"),
        NodeKind::Benefit => ("#0b5d3b", "#eaf6f0"),
        NodeKind::Goal => ("#1f3c88", "#ebf0fb"),
    }
}

fn shown(place: &Place, kind: NodeKind) -> Markup {
    let (border, ground) = colours(kind);
    let (x, y) = (place.x + layout::PADDING, place.y + layout::PADDING + 13);
    let rounding = if kind == NodeKind::Goal { "14" } else { "4" };
    html! {
        rect x=(place.x) y=(place.y) width=(layout::WIDTH) height=(place.height) rx=(rounding) fill=(ground)
            stroke=(border) stroke-width="1.5" {}
        text {
            @for (line, down) in place.lines.iter().zip((y..).step_by(LINE_STEP)) { tspan x=(x) y=(down) { (line) } }
        }
    }
}

const LINE_STEP: usize = layout::LINE as usize;

/// A point of the page.
type Point = (i32, i32);

/// Where an edge begins, goes past others and ends.
fn way(found: &Layout, number: usize, edge: Edge) -> (Point, &[Point], Point) {
    let (from, to) = (&found.places[edge.from], &found.places[edge.to]);
    let begin = (from.x + layout::WIDTH, from.y + from.height / 2);
    (begin, &found.crossings[number], (to.x, to.y + to.height / 2))
}

fn line(found: &Layout, number: usize, edge: Edge) -> Markup {
    let ((mut x, mut y), crossings, end) = way(found, number, edge);
    let mut path = format!("M{x} {y}");
    for &(to_x, to_y) in crossings.iter().chain([&end]) {
        let half = x + layout::GAP / 2;
        path.push_str(&format!("C{half} {y} {half} {to_y} {to_x} {to_y}"));
        (x, y) = (to_x, to_y);
        if (x, y) != end {
            x += layout::WIDTH;
            path.push_str(&format!("H{x}"));
        }
    }
    let width = match edge.weight {
        67.. => "2.5",
        34.. => "1.75",
        _ => "1",
    };
    html! { path d=(path) fill="none" stroke="#444" stroke-width=(width) marker-end="url(#map-arrow)" {} }
}

/// An edge's weight, in the middle of its first part.
fn weight(found: &Layout, number: usize, edge: Edge) -> Markup {
    let ((x, y), crossings, end) = way(found, number, edge);
    let next = crossings.first().unwrap_or(&end);
    let (x, y) = (x + layout::GAP / 2, (y + next.1) / 2);
    html! {
        rect x=(x - 19) y=(y - 8) width="38" height="16" rx="3" fill="#fff" {}
        text x=(x) y=(y + 4) text-anchor="middle" font-size="12" { (edge.weight) " %" }
    }
}
