//! Tokens: what is accepted, and that nothing else is.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use gevinst::{
    auth::{
        CallerKind, Role,
        issuers::{Issuer, KeySource, Profile},
        keys::Keys,
        token::Verifier,
    },
    config::Config,
};
use gevinst_proto::v1 as pb;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tonic::Code;

use crate::harness::{ISSUER as DEVELOPMENT, World, config, folder};

pub const ISSUER: &str = "https://idp.example.invalid";

/// A key of an issuer, and its public half.
pub struct Key {
    pub algorithm: Algorithm,
    pub private: EncodingKey,
    pub public: Jwk,
}

impl Key {
    pub fn new(algorithm: Algorithm, id: &str) -> Self {
        let private = match algorithm {
            Algorithm::RS256 => {
                let der = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
                let body = STANDARD.encode(der.as_ref());
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            _ => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
        };
        let mut public = Jwk::from_encoding_key(&private, algorithm).unwrap();
        public.common.key_id = Some(id.to_owned());
        Self { algorithm, private, public }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = self.public.common.key_id.clone();
        encode(&header, claims, &self.private).unwrap()
    }
}

fn jwks(keys: &[&Key]) -> String {
    serde_json::to_string(&JwkSet { keys: keys.iter().map(|key| key.public.clone()).collect() }).unwrap()
}

fn trusting(keys: KeySource) -> Config {
    with_issuers(vec![Issuer::native(ISSUER.to_owned(), "gevinst".to_owned(), keys)])
}

fn with_issuers(issuers: Vec<Issuer>) -> Config {
    let mut settings = config();
    settings.issuers = issuers;
    settings
}

pub fn in_file(keys: &[&Key]) -> KeySource {
    let path = folder("jwks").join("jwks.json");
    fs::write(&path, jwks(keys)).unwrap();
    KeySource::File(path)
}

fn trusting_file(keys: &[&Key]) -> Config {
    trusting(in_file(keys))
}

/// Claims of a good token, with these changed; null takes one away.
pub fn claims_of(world: &World, changes: Value) -> Value {
    let now = world.clock.now().unix_timestamp();
    let mut claims = json!({
        "iss": ISSUER, "aud": "gevinst", "sub": "someone", "iat": now, "nbf": now - 5, "exp": now + 600,
        "organisations": {world.id(): ["reader"]},
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn ask(world: &World, token: String) -> Result<usize, (Code, String)> {
    let answer = world.stranger(Some(token)).call(pb::ListOrganisationsRequest {}).await;
    answer.map(|answer| answer.organisations.len()).map_err(|failure| (failure.code, failure.reason))
}

fn unauthenticated(reason: &str) -> Result<usize, (Code, String)> {
    Err((Code::Unauthenticated, reason.to_owned()))
}

#[tokio::test]
async fn token_of_each_algorithm_accepted() {
    let keys = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|alg| Key::new(alg, &format!("{alg:?}")));
    let world = World::with(trusting_file(&keys.each_ref())).await;
    for key in &keys {
        assert_eq!(ask(&world, key.sign(&claims_of(&world, json!({})))).await, Ok(1), "{:?}", key.algorithm);
    }
    let several = claims_of(&world, json!({"aud": ["other", "gevinst"]}));
    assert_eq!(ask(&world, keys[0].sign(&several)).await, Ok(1));
}

#[tokio::test]
async fn token_with_a_claim_that_does_not_hold_refused() {
    let key = Key::new(Algorithm::EdDSA, "k");
    let world = World::with(trusting_file(&[&key])).await;
    let now = world.clock.now().unix_timestamp();
    let cases = [
        (json!({"exp": now - 120}), "TOKEN_EXPIRED"),
        (json!({"nbf": now + 120}), "TOKEN_INVALID"),
        (json!({"iss": "https://idp.example.invalid/"}), "TOKEN_INVALID"),
        (json!({"aud": "gevinst2"}), "TOKEN_INVALID"),
        (json!({"aud": []}), "TOKEN_INVALID"),
        (json!({"exp": null}), "TOKEN_INVALID"),
        (json!({"iss": null}), "TOKEN_INVALID"),
        (json!({"aud": null}), "TOKEN_INVALID"),
        (json!({"sub": null}), "TOKEN_INVALID"),
        (json!({"sub": ""}), "TOKEN_INVALID"),
        (json!({"sub": "med mellemrum"}), "TOKEN_INVALID"),
        (json!({"sub": "x".repeat(129)}), "TOKEN_INVALID"),
        (json!({"iss": [ISSUER]}), "TOKEN_INVALID"),
        (json!({"iat": now + 120}), "TOKEN_INVALID"),
        (json!({"exp": now + 48 * 3600}), "TOKEN_INVALID"),
        (json!({"jti": "med mellemrum"}), "TOKEN_INVALID"),
        (json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}), "TOKEN_INVALID"),
        (json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([7; 32])}}), "TOKEN_NOT_BOUND"),
        (json!({"organisations": ["not", "a", "map"]}), "TOKEN_INVALID"),
        (json!({"padding": "x".repeat(9000)}), "TOKEN_INVALID"),
    ];
    for (changes, reason) in cases {
        assert_eq!(
            ask(&world, key.sign(&claims_of(&world, changes.clone()))).await,
            unauthenticated(reason),
            "{changes}"
        );
    }
    // Within the leeway, clocks may differ.
    assert_eq!(ask(&world, key.sign(&claims_of(&world, json!({"exp": now - 5})))).await, Ok(1));
}

#[tokio::test]
async fn token_forged_in_every_usual_way_refused() {
    let (ours, rsa) = (Key::new(Algorithm::EdDSA, "k"), Key::new(Algorithm::RS256, "rsa"));
    let world = World::with(trusting_file(&[&ours, &rsa])).await;
    let good = ours.sign(&claims_of(&world, json!({})));
    let claims = claims_of(&world, json!({}));
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let encoded = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());

    let impostor = Key::new(Algorithm::EdDSA, "k").sign(&claims);
    let none = format!("{}.{body}.", encoded(json!({"alg": "none", "kid": "k"})));
    let stripped = good.rsplit_once('.').unwrap().0.to_owned() + ".";
    let unknown_id = Key::new(Algorithm::EdDSA, "unknown").sign(&claims);
    // HMAC with the public key as its secret: the classic confusion.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("rsa".to_owned());
    let public = serde_json::to_vec(&rsa.public).unwrap();
    let confused = encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
    // A key id of another key than the one that signed.
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("rsa".to_owned());
    let crossed = encode(&header, &claims, &ours.private).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = None;
    let without_id = encode(&header, &claims, &ours.private).unwrap();
    // Well signed, but it demands what nobody here understands, or was made for something else.
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("k".to_owned());
    header.crit = Some(vec!["b64".to_owned()]);
    let critical = encode(&header, &claims, &ours.private).unwrap();
    let of_kind = |kind: &str| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k".to_owned());
        header.typ = Some(kind.to_owned());
        encode(&header, &claims, &ours.private).unwrap()
    };
    let (logout, proof) = (of_kind("logout+jwt"), of_kind("dpop+jwt"));
    let tampered = {
        let parts: Vec<&str> = good.split('.').collect();
        let raised = claims.to_string().replace("reader", "auditor");
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(raised), parts[2])
    };
    let forged = [
        impostor,
        none,
        stripped,
        unknown_id,
        confused,
        crossed,
        without_id,
        critical,
        logout,
        proof,
        tampered,
        "a.b.c".into(),
        ".".into(),
    ];
    for token in forged {
        assert_eq!(ask(&world, token.clone()).await, unauthenticated("TOKEN_INVALID"), "{token}");
    }
    for kind in ["at+jwt", "application/at+jwt", "JWT"] {
        assert_eq!(ask(&world, of_kind(kind)).await, Ok(1), "{kind}");
    }
    assert_eq!(ask(&world, good.clone()).await, Ok(1));
    let twice = world.stranger(Some(good.clone())).with("authorization", &format!("Bearer {good}"));
    let failure = twice.call(pb::ListOrganisationsRequest {}).await.unwrap_err();
    assert!(failure.is(Code::Unauthenticated, "TOKEN_INVALID"), "{failure:?}");
    for scheme in ["Basic", "bearer:", "Token"] {
        let odd = world.stranger(None).with("authorization", &format!("{scheme} {good}"));
        let failure = odd.call(pb::ListOrganisationsRequest {}).await.unwrap_err();
        assert!(failure.is(Code::Unauthenticated, "TOKEN_INVALID"), "{scheme} {failure:?}");
    }
}

#[tokio::test]
async fn token_with_roles_that_are_none_grants_nothing() {
    let key = Key::new(Algorithm::EdDSA, "k");
    let world = World::with(trusting_file(&[&key])).await;
    let invented = claims_of(&world, json!({"organisations": {world.id(): ["superuser", "PORTFOLIO-OFFICE", ""]}}));
    let person = world.stranger(Some(key.sign(&invented)));
    let failure = person.call(pb::ListProjectsRequest { organisation: world.id(), ..Default::default() }).await;
    assert!(failure.unwrap_err().is(Code::PermissionDenied, "ROLE_MISSING"));
    let nowhere = claims_of(&world, json!({"organisations": null}));
    let person = world.stranger(Some(key.sign(&nowhere)));
    let failure = person.call(pb::ListProjectsRequest { organisation: world.id(), ..Default::default() }).await;
    assert!(failure.unwrap_err().is(Code::NotFound, "NOT_FOUND"));
    assert_eq!(ask(&world, key.sign(&nowhere)).await, Ok(0));
}

#[tokio::test]
async fn development_tokens_strict_and_of_persons_or_services() {
    let strict = Issuer { profile: Profile::Rfc9068, ..DEVELOPMENT.trusted() };
    let verifier = Verifier::new(&[strict]).await.unwrap();
    let world = World::new().await;
    let roles = [Role::Integration];
    let (person, service) = (
        DEVELOPMENT.token("anna", world.organisation, &roles).unwrap(),
        DEVELOPMENT.service_token("esdh", world.organisation, &roles).unwrap(),
    );
    let mut ids = Vec::new();
    for (token, kind) in [(person, CallerKind::Person), (service, CallerKind::Service)] {
        let caller = verifier.verify(format!("Bearer {token}").as_bytes(), None).await.unwrap();
        assert_eq!(caller.kind(), kind);
        ids.push(caller.token_id().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    let organisations = world.service("esdh", &roles).call(pb::ListOrganisationsRequest {}).await.unwrap();
    assert_eq!(organisations.organisations.len(), 1);
}

/// An issuer's key server: what it serves can be changed, and it can be taken down.
struct KeyServer {
    document: Arc<RwLock<Option<String>>>,
    asked: Arc<AtomicUsize>,
    url: reqwest::Url,
}

impl KeyServer {
    async fn serving(document: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap()).parse().unwrap();
        let server = Self { document: Arc::new(RwLock::new(document)), asked: Arc::default(), url };
        let (document, asked) = (server.document.clone(), server.asked.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                let document = document.read().unwrap().clone();
                let (status, body) = document.map_or(("503 Down", String::new()), |body| ("200 OK", body));
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                client.readable().await.unwrap();
                let _ = client.try_read(&mut [0; 4096]);
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        server
    }

    fn serve(&self, document: Option<String>) {
        *self.document.write().unwrap() = document;
    }
}

#[tokio::test]
async fn served_keys_rotated_and_the_issuer_down_again() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let issuer = KeyServer::serving(Some(jwks(&[&old]))).await;
    let world = World::with(trusting(KeySource::Url(issuer.url.clone()))).await;
    let token = |key: &Key| key.sign(&claims_of(&world, json!({})));
    assert_eq!(ask(&world, token(&old)).await, Ok(1));
    // While the issuer is down, known keys go on verifying. A token under an unknown key may be good: come again.
    issuer.serve(None);
    assert_eq!(ask(&world, token(&old)).await, Ok(1));
    let before = issuer.asked.load(Ordering::Relaxed);
    let (unknown, all) = (token(&new), 20);
    let asking = (0..all).map(|_| world.stranger(Some(unknown.clone())));
    let asking: Vec<_> =
        asking.map(|person| tokio::spawn(async move { person.call(pb::ListOrganisationsRequest {}).await })).collect();
    for asked in asking {
        let failure = asked.await.unwrap().unwrap_err();
        assert!(failure.is(Code::Unavailable, "KEYS_UNAVAILABLE"), "{failure:?}");
    }
    // However many ask, the issuer is asked once for all who wait, and at most once more for who came meanwhile.
    assert!(issuer.asked.load(Ordering::Relaxed) <= before + 2);
    assert_eq!(ask(&world, token(&old)).await, Ok(1));
    // It is back, with a new key and without the old one: that is what a rotation is, and what a revocation is.
    issuer.serve(Some(jwks(&[&new])));
    assert_eq!(ask(&world, token(&new)).await, Ok(1));
    assert_eq!(ask(&world, token(&old)).await, unauthenticated("TOKEN_INVALID"));
}

#[tokio::test]
async fn two_issuers_each_trusted_with_its_own_keys_and_organisations_only() {
    const OTHER: &str = "https://other.example.invalid";
    let (ours, theirs) = (Key::new(Algorithm::EdDSA, "k"), Key::new(Algorithm::EdDSA, "k"));
    let (home, neighbour) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    let issuer = |name: &str, key: &Key, organisation| Issuer {
        organisations: Some([organisation].into()),
        ..Issuer::native(name.to_owned(), "gevinst".to_owned(), in_file(&[key]))
    };
    let verifier = Verifier::new(&[issuer(ISSUER, &ours, home), issuer(OTHER, &theirs, neighbour)]).await.unwrap();
    let world = World::new().await;
    let of = async |key: &Key, issuer: &str| {
        let claims =
            json!({"iss": issuer, "organisations": {home.to_string(): ["auditor"], neighbour.to_string(): []}});
        let header = format!("Bearer {}", key.sign(&claims_of(&world, claims)));
        verifier
            .verify(header.as_bytes(), None)
            .await
            .map(|caller| caller.organisations().map(|id| id.uuid()).collect::<Vec<_>>())
    };
    assert_eq!(of(&ours, ISSUER).await.unwrap(), vec![home]);
    assert_eq!(of(&theirs, OTHER).await.unwrap(), vec![neighbour]);
    // Neither may sign in the other's name, though their key ids are the same.
    assert!(of(&theirs, ISSUER).await.is_err());
    assert!(of(&ours, OTHER).await.is_err());
    assert!(of(&ours, "https://third.example.invalid").await.is_err());
}

#[tokio::test]
async fn strict_profile_accepts_access_tokens_of_rfc_9068_only() {
    let key = Key::new(Algorithm::EdDSA, "k");
    let keys = in_file(&[&key]);
    let strict = Issuer { profile: Profile::Rfc9068, ..Issuer::native(ISSUER.to_owned(), "gevinst".to_owned(), keys) };
    let world = World::with(with_issuers(vec![strict])).await;
    let whole = json!({"client_id": "portal", "jti": "t-1"});
    let signed = |kind: Option<&str>, changes: &Value| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k".to_owned());
        header.typ = kind.map(ToOwned::to_owned);
        encode(&header, &claims_of(&world, changes.clone()), &key.private).unwrap()
    };
    assert_eq!(ask(&world, signed(Some("at+jwt"), &whole)).await, Ok(1));
    assert_eq!(ask(&world, signed(Some("JWT"), &whole)).await, unauthenticated("TOKEN_INVALID"));
    assert_eq!(ask(&world, signed(None, &whole)).await, unauthenticated("TOKEN_INVALID"));
    assert_eq!(ask(&world, signed(Some("at+jwt"), &json!({}))).await, unauthenticated("TOKEN_INVALID"));
}

#[tokio::test]
async fn served_keys_not_to_be_had_unavailable_and_an_unknown_id_fetches_them() {
    let key = Key::new(Algorithm::EdDSA, "k");
    let issuer = KeyServer::serving(None).await;
    let down = World::with(trusting(KeySource::Url(issuer.url.clone()))).await;
    let refused = ask(&down, key.sign(&claims_of(&down, json!({})))).await;
    let unavailable = Err((Code::Unavailable, "KEYS_UNAVAILABLE".to_owned()));
    assert_eq!(refused, unavailable, "never let in unverified");
    // A document that is too large to be one is not read to its end.
    issuer.serve(Some(format!("{}{}", jwks(&[&key]), " ".repeat(64 * 1024))));
    assert_eq!(ask(&down, key.sign(&claims_of(&down, json!({})))).await, unavailable);

    let issuer = KeyServer::serving(Some(jwks(&[&Key::new(Algorithm::EdDSA, "first")]))).await;
    let world = World::with(trusting(KeySource::Url(issuer.url.clone()))).await;
    issuer.serve(Some(jwks(&[&key])));
    assert_eq!(ask(&world, key.sign(&claims_of(&world, json!({})))).await, Ok(1));
}

#[test]
fn keys_for_other_uses_or_algorithms_not_taken() {
    // A map, so that the names stand beside the reason.
    let mut refused = BTreeMap::new();
    let key = Key::new(Algorithm::EdDSA, "k");
    let with = |name: &str, value: Value| {
        let mut jwk = serde_json::to_value(&key.public).unwrap();
        jwk[name] = value;
        json!({ "keys": [jwk] }).to_string()
    };
    refused.insert("for encryption", with("use", json!("enc")));
    refused.insert("for another algorithm", with("alg", json!("ES256")));
    refused.insert(
        "symmetric",
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"}]}).to_string(),
    );
    refused.insert("for signing only", with("key_ops", json!(["sign"])));
    refused.insert("with its private half", with("d", json!("c2VjcmV0")));
    let short = json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB"});
    refused.insert("of 1024 bits", json!({"keys": [short]}).to_string());
    let public = serde_json::to_value(&key.public).unwrap();
    refused.insert("more than fifty", json!({"keys": vec![public; 51]}).to_string());
    refused.insert("no document", "<html>".to_owned());
    refused.insert("empty", json!({"keys": []}).to_string());
    for (why, document) in refused {
        let path = folder("jwks").join("jwks.json");
        fs::write(&path, document).unwrap();
        let issuer = Issuer::native(ISSUER.to_owned(), "gevinst".to_owned(), KeySource::File(path));
        assert!(Keys::of(&issuer).is_err(), "{why}");
    }
}
