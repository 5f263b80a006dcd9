//! From a bearer token to a [`Caller`]: issuer, signature, algorithm, audience, times and binding, all of them, or
//! nothing (RFC 8725, RFC 9068, RFC 8705). What the claims then mean is `claims.rs`.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind, get_current_timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    auth::{
        Caller,
        issuers::{Issuer, Profile},
        keys::Keys,
    },
    error::{Error, Result},
    peer::Peer,
};

/// A larger token is not read.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far an issuer's clock may be from ours, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// Verifies the tokens of every trusted issuer.
pub struct Verifier {
    issuers: BTreeMap<String, (Issuer, Keys)>,
}

impl Verifier {
    /// Reads the keys, where they are a file; begins to fetch them, where they are served.
    pub async fn new(issuers: &[Issuer]) -> Result<Self, String> {
        let mut trusted = BTreeMap::new();
        for issuer in issuers {
            let keys = Keys::of(issuer).map_err(|error| format!("the keys of \"{}\": {error}", issuer.issuer))?;
            trusted.insert(issuer.issuer.clone(), (issuer.clone(), keys));
        }
        // All are being fetched by now; this waits for the slowest, not for each.
        for (_, keys) in trusted.values() {
            keys.first_look().await;
        }
        Ok(Self { issuers: trusted })
    }

    /// The caller that an `authorization` header names, at the other end of this connection.
    pub async fn verify(&self, header: &[u8], peer: Option<&Peer>) -> Result<Caller> {
        let token = match header.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => return Err(refused("no bearer token")),
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused("too long"));
        }
        let header = decode_header(token).map_err(|_| refused("no header that can be read"))?;
        let (issuer, keys) =
            self.issuers.get(&claimed_issuer(token)?).ok_or_else(|| refused("an issuer that is not trusted"))?;
        check_header(issuer, &header)?;
        let key = keys.find(header.kid.as_deref()).await?;
        // The algorithm is the key's, never the header's (RFC 8725, 3.1): one that does not match is refused.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&issuer.issuer]);
        validation.set_audience(&[&issuer.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = decode::<Value>(token, &key.key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Error::TokenExpired,
            ErrorKind::InvalidSignature => refused("the signature does not fit"),
            ErrorKind::InvalidAlgorithm => refused("an algorithm that is not the key's"),
            ErrorKind::InvalidAudience => refused("for another audience"),
            ErrorKind::ImmatureSignature => refused("not valid yet"),
            _ => refused("iss, aud, exp or nbf is missing or cannot be read"),
        })?;
        check_claims(issuer, &claims.claims, get_current_timestamp())?;
        check_binding(issuer, &claims.claims, peer)?;
        issuer.claims.caller(&claims.claims, issuer.organisations.as_ref())
    }
}

/// A refusal. Why is for whoever sets up an issuer, at the level debug: a caller is told no more than that.
pub(super) fn refused(why: &'static str) -> Error {
    tracing::debug!(why, "token refused");
    Error::TokenInvalid
}

/// Who a token says has signed it. Nothing is trusted yet: the name only chooses whose keys to verify with, and the
/// verification that follows holds the signed claim to be that issuer's exact name once more.
fn claimed_issuer(token: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let payload = token.split(|byte| *byte == b'.').nth(1).ok_or_else(|| refused("no payload"))?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| refused("no payload that can be read"))?;
    serde_json::from_slice::<Claimed>(&payload).map(|claimed| claimed.iss).map_err(|_| refused("no issuer"))
}

/// What a token says it is. An extension that must be understood (RFC 7515, 4.1.11) is not, and a token made for
/// something else (a logout, a proof of possession; RFC 8725, 3.11) is none for us, whoever signed it.
fn check_header(issuer: &Issuer, header: &Header) -> Result<()> {
    let kind = header.typ.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
    let is = |name: &str| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(name));
    let fits = match issuer.profile {
        Profile::Rfc9068 => is("at+jwt"),
        Profile::Jwt => kind.is_none() || is("at+jwt") || is("JWT"),
    };
    if fits && header.crit.is_none() { Ok(()) } else { Err(refused("typ or crit in the header")) }
}

/// That all is there that RFC 9068 (section 2.2) demands, and that the token's life is neither yet to begin nor long.
fn check_claims(issuer: &Issuer, claims: &Value, now: u64) -> Result<()> {
    let whole = ["sub", "client_id", "jti"].iter().all(|name| claims.get(name).is_some_and(Value::is_string))
        && claims.get("iat").is_some_and(Value::is_number);
    if issuer.profile == Profile::Rfc9068 && !whole {
        return Err(refused("a claim of RFC 9068 is missing"));
    }
    // Numbers of seconds, with fractions if the issuer likes (RFC 7519, section 2).
    let seconds = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| refused("a time is no number")),
    };
    let (now, leeway) = (now as f64, LEEWAY_SECONDS as f64);
    let issued = seconds("iat")?.unwrap_or(now);
    let expires = seconds("exp")?.ok_or_else(|| refused("no exp"))?;
    let life = issuer.max_lifetime_seconds as f64;
    if issued > now + leeway || expires - issued > life + leeway {
        return Err(refused("issued in the future, or for too long"));
    }
    Ok(())
}

/// That a token which is bound to a certificate comes from who holds it (RFC 8705, section 3). A confirmation of another
/// kind (RFC 9449's key, say) cannot be checked here, so it is refused.
fn check_binding(issuer: &Issuer, claims: &Value, peer: Option<&Peer>) -> Result<()> {
    let Some(confirmation) = claims.get("cnf") else {
        return if issuer.require_certificate { Err(Error::TokenNotBound) } else { Ok(()) };
    };
    let bound_to = match confirmation.as_object() {
        Some(members) if members.len() == 1 => members.get("x5t#S256").and_then(Value::as_str),
        _ => None,
    };
    let bound_to = bound_to.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bound_to = bound_to.ok_or_else(|| refused("a confirmation that cannot be checked"))?;
    match peer.and_then(|peer| peer.certificate_sha256) {
        Some(shown) if shown[..] == bound_to[..] => Ok(()),
        _ => Err(Error::TokenNotBound),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        net::{IpAddr, Ipv4Addr},
        sync::Arc,
    };

    use aws_lc_rs::signature::Ed25519KeyPair;
    use axum::{Router, body::Body, middleware, routing::get};
    use http::{Request, header::AUTHORIZATION};
    use jsonwebtoken::{
        Algorithm, EncodingKey, encode,
        jwk::{Jwk, JwkSet},
    };
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::auth::{authenticate, issuers::KeySource};

    fn issuer(profile: Profile) -> Issuer {
        let keys = KeySource::File("none".into());
        Issuer { profile, ..Issuer::native("https://a.invalid".to_owned(), "gevinst".to_owned(), keys) }
    }

    #[tokio::test]
    async fn authenticate_holds_a_bound_token_to_the_certificate_of_its_connection() {
        let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).unwrap();
        let key = EncodingKey::from_ed_der(pair.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        jwk.common.key_id = Some("k".to_owned());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, serde_json::to_vec(&JwkSet { keys: vec![jwk] }).unwrap()).unwrap();
        let trusted = Issuer { keys: Some(KeySource::File(file.path().into())), ..issuer(Profile::Jwt) };
        let verifier = Arc::new(Verifier::new(&[trusted]).await.unwrap());
        let stack =
            Router::new().route("/", get(async || "in")).layer(middleware::from_fn_with_state(verifier, authenticate));

        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::EdDSA) };
        let claims = json!({
            "iss": "https://a.invalid", "aud": "gevinst", "sub": "a", "exp": get_current_timestamp() + 60,
            "cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([7; 32])},
        });
        let token = format!("Bearer {}", encode(&header, &claims, &key).unwrap());
        let call = async |certificate_sha256: Option<[u8; 32]>| {
            let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate_sha256, is_encrypted: true };
            let request = Request::builder().header(AUTHORIZATION, &token).extension(peer);
            stack.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        };
        let body = axum::body::to_bytes(call(Some([7; 32])).await.into_body(), 16).await.unwrap();
        assert_eq!(&body[..], b"in");
        for other in [Some([8; 32]), None] {
            let answer = call(other).await;
            assert!(answer.headers().contains_key("grpc-status"), "{answer:?}");
        }
    }

    #[test]
    fn check_claims_rfc_9068_demands_all_and_every_life_is_bounded() {
        let now = 1_800_000_000_u64;
        let day = 24 * 3600;
        let whole = json!({"sub": "a", "client_id": "c", "jti": "t", "iat": now, "exp": now + 600});
        let with = |changes: Value| {
            let mut claims = whole.clone();
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            claims
        };
        // Changes, whether RFC 9068's profile accepts them, and whether the other does.
        let cases = [
            (json!({}), true, true),
            (json!({"client_id": null}), false, true),
            (json!({"jti": null}), false, true),
            (json!({"sub": null}), false, true),
            (json!({"iat": null}), false, true),
            (json!({"iat": "now"}), false, false),
            (json!({"iat": now + 20}), true, true),
            (json!({"iat": now + 60, "exp": now + 120}), false, false),
            (json!({"exp": now + day}), true, true),
            (json!({"exp": now + day + 60}), false, false),
            (json!({"iat": null, "exp": now + day + 60}), false, false),
            (json!({"iat": now - 7 * day}), false, false),
            (json!({"iat": now as f64 - 0.5}), true, true),
            (json!({"exp": null}), false, false),
        ];
        for (changes, strict, usual) in cases {
            for (profile, fine) in [(Profile::Rfc9068, strict), (Profile::Jwt, usual)] {
                let result = check_claims(&issuer(profile), &with(changes.clone()), now);
                assert_eq!(result.is_ok(), fine, "{profile:?} {changes}");
            }
        }
    }

    #[test]
    fn check_header_kind_by_profile_and_nothing_critical() {
        let cases = [
            (Some("at+jwt"), true, true),
            (Some("application/AT+JWT"), true, true),
            (Some("JWT"), false, true),
            (None, false, true),
            (Some("logout+jwt"), false, false),
            (Some(""), false, false),
        ];
        for (kind, strict, usual) in cases {
            let mut header = Header { typ: kind.map(ToOwned::to_owned), ..Header::default() };
            assert_eq!(check_header(&issuer(Profile::Rfc9068), &header).is_ok(), strict, "{kind:?}");
            assert_eq!(check_header(&issuer(Profile::Jwt), &header).is_ok(), usual, "{kind:?}");
            header.crit = Some(Vec::new());
            assert!(check_header(&issuer(Profile::Jwt), &header).is_err());
        }
    }

    #[test]
    fn check_binding_only_the_bound_certificate_will_do() {
        let (shown, other) = ([7_u8; 32], [8_u8; 32]);
        let bound = |to: &[u8]| json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode(to)}});
        let peer = |certificate_sha256| Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            certificate_sha256,
            is_encrypted: true,
        };
        let (with, without) = (peer(Some(shown)), peer(None));
        let usual = issuer(Profile::Jwt);
        let strict = Issuer { require_certificate: true, ..usual.clone() };
        let fine = |issuer, claims: &Value, peer| check_binding(issuer, claims, peer).is_ok();
        let not_bound =
            |issuer, claims: &Value, peer| matches!(check_binding(issuer, claims, peer), Err(Error::TokenNotBound));
        for issuer in [&usual, &strict] {
            assert!(fine(issuer, &bound(&shown), Some(&with)));
            for (claims, peer) in [
                (bound(&other), Some(&with)),
                (bound(&shown[..31]), Some(&with)),
                (bound(&[]), Some(&with)),
                (bound(&shown), Some(&without)),
                (bound(&shown), None),
                (bound(&[]), None),
            ] {
                assert!(not_bound(issuer, &claims, peer), "{claims}");
            }
            // What nobody here can check is no token of ours.
            let hash = URL_SAFE_NO_PAD.encode(shown);
            for confirmation in [
                json!(null),
                json!({}),
                json!("x5t#S256"),
                json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
                json!({"x5t#S256": hash, "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
                json!({"x5t#S256": 7}),
                json!({"x5t#S256": "*"}),
            ] {
                let refused = check_binding(issuer, &json!({"cnf": confirmation}), Some(&with));
                assert!(matches!(refused, Err(Error::TokenInvalid)), "{confirmation}");
            }
        }
        assert!(fine(&usual, &json!({}), None) && fine(&usual, &json!({}), Some(&with)));
        assert!(not_bound(&strict, &json!({}), Some(&with)));
    }
}
