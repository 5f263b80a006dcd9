//! A map as a Mermaid flowchart, a group for each kind.

use std::{collections::BTreeMap, fmt::Write};

use gevinst_proto::v1 as pb;

use super::KINDS;
use crate::dossier::words::Language;

/// As IANA has it registered.
pub const MEDIA_TYPE: &str = "application/vnd.mermaid";

/// The chart. Nodes get names of our own: some keys are words of Mermaid's.
pub fn flowchart(map: &pb::BenefitMap, language: Language) -> String {
    let mut chart = "flowchart LR\n".to_owned();
    let names: BTreeMap<&str, String> =
        map.nodes.iter().enumerate().map(|(number, node)| (node.key.as_str(), format!("n{number}"))).collect();
    for (kind, called) in KINDS {
        let nodes: Vec<_> = map.nodes.iter().filter(|node| node.kind() == kind).collect();
        if nodes.is_empty() {
            continue;
        }
        // Writing to a text cannot fail.
        let _ = writeln!(chart, "  subgraph k{}[\"{}\"]", kind as i32, label(language.of(called)));
        for node in nodes {
            let text = label(language.text(node.label.as_ref()));
            let _ = writeln!(chart, "    {}[\"{text}\"]", names[node.key.as_str()]);
        }
        chart.push_str("  end\n");
    }
    for edge in &map.edges {
        let (from, to) = (&names[edge.from.as_str()], &names[edge.to.as_str()]);
        let _ = writeln!(chart, "  {from} -->|\"{}\"| {to}", label(&format!("{} %", edge.weight)));
    }
    chart
}

/// A text as a label: all but letters, digits, commas and spaces by number, so that nothing in it is markup, Markdown or the
/// end of the label.
fn label(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if letter.is_alphanumeric() || " ,".contains(letter) {
            written.push(letter);
        } else {
            let _ = write!(written, "#{};", u32::from(letter));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_hold_text_and_no_markup() {
        for (text, written) in [
            ("Færre breve", "Færre breve"),
            ("\"a\" [b]\n<script>", "#34;a#34; #91;b#93; #60;script#62;"),
            ("1. **fed**; #quot;", "1#46; #42;#42;fed#42;#42;#59; #35;quot#59;"),
        ] {
            assert_eq!(label(text), written);
        }
    }
}
