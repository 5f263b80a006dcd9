//! How a stream of messages is laid out over HTTP, and which way a caller likes best.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

/// How a stream of messages is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// One document a line.
    Lines,
    /// Server-sent events.
    Events,
    /// One JSON array.
    Array,
}

impl Layout {
    /// What the caller likes best, by the weights of RFC 9110; of equals the one that is named most closely, and lines
    /// before events before an array. Lines, too, for callers who like nothing that there is.
    pub fn of(headers: &HeaderMap) -> Self {
        let ranges: Vec<Range> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(Range::read)
            .collect();
        let liked = |layout: Self| {
            let known = layout.types();
            let closest = ranges.iter().filter_map(|range| Some((range.closeness(known)?, range.weight)));
            // The closest range says how much the type is liked, whatever wider ones say.
            closest.max_by(|one, other| one.0.cmp(&other.0)).map(|(closeness, weight)| (weight, closeness))
        };
        let mut best = (Self::Lines, (0, 0));
        for layout in [Self::Lines, Self::Events, Self::Array] {
            if let Some(liked) = liked(layout).filter(|liked| liked.0 > 0 && *liked > best.1) {
                best = (layout, liked);
            }
        }
        best.0
    }

    /// The media types by which it is asked for.
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Lines => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Events => &["text/event-stream"],
            Self::Array => &["application/json"],
        }
    }

    /// What the answer says it is.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
            Self::Array => "application/json",
        })
    }

    /// One message.
    pub fn document(self, json: &[u8], first: bool) -> Bytes {
        match self {
            Self::Lines => [json, b"\n"].concat().into(),
            Self::Events => [b"data: ", json, b"\n\n"].concat().into(),
            Self::Array => [if first { &b"["[..] } else { b"," }, json].concat().into(),
        }
    }

    /// What ends a stream that failed.
    pub fn failure(self, json: &[u8], first: bool) -> Bytes {
        match self {
            Self::Events => [b"event: error\n", &self.document(json, first)[..]].concat().into(),
            // In its own frame, so that no message can be taken for it: messages stand there bare.
            Self::Lines => self.document(&[b"{\"error\":", json, b"}"].concat(), first),
            Self::Array => [&self.document(&[b"{\"error\":", json, b"}"].concat(), first)[..], b"]"].concat().into(),
        }
    }

    /// What ends a stream that ended well.
    pub fn end(self, empty: bool) -> Option<Bytes> {
        match self {
            Self::Array => Some(Bytes::from_static(if empty { b"[]" } else { b"]" })),
            Self::Lines | Self::Events => None,
        }
    }
}

/// One entry of `Accept`.
struct Range {
    essence: String,
    /// In thousandths.
    weight: u32,
}

impl Range {
    fn read(text: &str) -> Self {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let essence = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok()).unwrap_or(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
        Self { essence, weight }
    }

    /// How closely it names one of these types: 3 by name, 2 by kind, 1 as anything.
    fn closeness(&self, types: &[&str]) -> Option<u32> {
        let kind = types.first()?.split('/').next()?;
        match self.essence.as_str() {
            "*/*" => Some(1),
            essence if essence.strip_suffix("/*") == Some(kind) => Some(2),
            essence => types.contains(&essence).then_some(3),
        }
    }
}
