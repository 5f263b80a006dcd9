//! Finds the binding of a path. A literal wins over `*`, `*` over `**`, whatever the order of declaration.

use std::{collections::HashMap, fmt::Write, ops::ControlFlow, sync::Arc};

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    Error,
    rules::{Binding, Segment},
};

/// Every path that is served.
pub struct Paths {
    root: Node,
    bindings: Vec<Arc<Binding>>,
}

#[derive(Default)]
struct Node {
    literals: HashMap<String, Node>,
    single: Option<Box<Node>>,
    /// The bindings that end here.
    ends: Vec<usize>,
    /// The bindings that take whatever follows.
    rests: Vec<usize>,
}

/// What a path leads to.
pub enum Found<'a> {
    /// A method, and the path's raw segments.
    Binding(&'a Arc<Binding>, Vec<&'a str>),
    /// Only other HTTP methods: the `Allow` header.
    OtherMethod(String),
    /// Nothing.
    Nothing,
}

impl Paths {
    /// Refuses two bindings of the same HTTP method for the same paths.
    pub fn new(bindings: Vec<Binding>) -> Result<Self, Error> {
        let mut root = Node::default();
        for (index, binding) in bindings.iter().enumerate() {
            let slot = root.slot(&binding.segments);
            let twin = slot
                .iter()
                .map(|other| &bindings[*other])
                .find(|other| other.http_method == binding.http_method && other.verb == binding.verb);
            if let Some(twin) = twin {
                return Err(Error::new(format!(
                    "{}: {} {} is already {}'s {}",
                    binding.method.full_name(),
                    binding.http_method.as_ref().map_or("*", Method::as_str),
                    binding.template,
                    twin.method.full_name(),
                    twin.template,
                )));
            }
            slot.push(index);
        }
        Ok(Self { root, bindings: bindings.into_iter().map(Arc::new).collect() })
    }

    /// All bindings, in the order of their declaration.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(AsRef::as_ref)
    }

    /// What answers this method on this raw path.
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Found<'a> {
        let Some(path) = path.strip_prefix('/') else { return Found::Nothing };
        let mut segments: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        // A colon in the last segment begins a verb where that verb is known; otherwise it is part of the segment.
        if let Some((stem, verb)) = segments.last().and_then(|last| last.rsplit_once(':')) {
            let whole = segments.pop();
            segments.push(stem);
            let found = self.matches(&segments, Some(verb));
            if !found.is_empty() {
                return choose(found, method, segments);
            }
            segments.pop();
            segments.extend(whole);
        }
        choose(self.matches(&segments, None), method, segments)
    }

    fn matches(&self, segments: &[&str], verb: Option<&str>) -> Vec<&Arc<Binding>> {
        let mut found = Vec::new();
        if !segments.iter().any(|segment| segment.is_empty()) {
            self.root.search(segments, &mut |index| {
                let binding = &self.bindings[index];
                if binding.verb.as_deref() == verb {
                    found.push(binding);
                }
            });
        }
        found
    }
}

/// The best binding of the method: they come best first.
fn choose<'a>(found: Vec<&'a Arc<Binding>>, method: &Method, segments: Vec<&'a str>) -> Found<'a> {
    let of = |wanted: Option<&Method>| found.iter().find(|binding| binding.http_method.as_ref() == wanted).copied();
    // HEAD is GET without the body.
    let as_get = (method == Method::HEAD).then_some(&Method::GET);
    let binding = of(Some(method)).or_else(|| as_get.and_then(|get| of(Some(get)))).or_else(|| of(None));
    if let Some(binding) = binding {
        return Found::Binding(binding, segments);
    }
    let mut methods: Vec<&str> =
        found.iter().filter_map(|binding| binding.http_method.as_ref()?.as_str().into()).collect();
    if methods.is_empty() {
        return Found::Nothing;
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    Found::OtherMethod(methods.join(", "))
}

impl Node {
    /// Where a binding of these segments is kept.
    fn slot(&mut self, segments: &[Segment]) -> &mut Vec<usize> {
        match segments.split_first() {
            None => &mut self.ends,
            Some((Segment::Rest, _)) => &mut self.rests,
            Some((Segment::Single, rest)) => self.single.get_or_insert_default().slot(rest),
            Some((Segment::Literal(text), rest)) => self.literals.entry(text.clone()).or_default().slot(rest),
        }
    }

    /// Tells of every binding that matches, best first. Visits a node at most once.
    fn search(&self, segments: &[&str], tell: &mut impl FnMut(usize)) {
        match segments.split_first() {
            None => self.ends.iter().for_each(|index| tell(*index)),
            Some((first, rest)) => {
                let decoded = percent_decode_str(first).decode_utf8_lossy();
                if let Some(node) = self.literals.get(decoded.as_ref()) {
                    node.search(rest, tell);
                }
                if let Some(node) = &self.single {
                    node.search(rest, tell);
                }
            }
        }
        self.rests.iter().for_each(|index| tell(*index));
    }
}

/// The text of a variable: its segments, percent-decoded. What may hold several segments keeps `%2F` as it came, so
/// that it stays another thing than a `/`.
pub fn value(variable: &crate::rules::Variable, segments: &[&str]) -> Result<String, String> {
    let segments = &segments[variable.from..variable.to.unwrap_or(segments.len())];
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            bytes.push(b'/');
        }
        unescape(segment, variable.is_multi(), &mut bytes)?;
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 once its escapes are read".to_owned())
}

/// Percent-decodes strictly: a `%` without two hexadecimal digits is an error, where the usual reading lets it stand.
pub fn unescape(text: &str, keep_slash: bool, bytes: &mut Vec<u8>) -> Result<(), String> {
    let broken =
        text.as_bytes().iter().enumerate().filter(|(_, byte)| **byte == b'%').try_for_each(|(at, _)| {
            match text.as_bytes().get(at + 1..at + 3) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(at),
            }
        });
    if let ControlFlow::Break(at) = broken {
        let mut why = "holds a % that two hexadecimal digits do not follow".to_owned();
        write!(why, ", at its character {}: write %25 for a percent sign", at + 1).ok();
        return Err(why);
    }
    if !keep_slash {
        bytes.extend(percent_decode_str(text));
        return Ok(());
    }
    let mut done = 0;
    for (at, _) in text.match_indices('%').filter(|(at, _)| text[*at..*at + 3].eq_ignore_ascii_case("%2f")) {
        bytes.extend(percent_decode_str(&text[done..at]));
        bytes.extend_from_slice(&text.as_bytes()[at..at + 3]);
        done = at + 3;
    }
    bytes.extend(percent_decode_str(&text[done..]));
    Ok(())
}
