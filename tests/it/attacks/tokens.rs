//! Tokens: forged, stripped, confused, crossed, expired, oversized, and good ones that were revoked.

use aws_lc_rs::{encoding::AsDer, rsa::KeySize};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use gevinst::auth::{Role, issuers::Issuer};
use gevinst_proto::v1 as pb;
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};
use tonic::Code;

use super::{Suite, Trace};
use crate::{
    auth::{ISSUER, Key, claims_of, in_file},
    harness::{Person, World},
};

const NEIGHBOUR: &str = "https://neighbour.example.invalid";

/// Two issuers: one of the municipality's own, and one that may speak for another organisation alone.
pub struct Issuers {
    ours: Key,
    rsa: Key,
    /// The RSA key's public half, as everybody can have it.
    rsa_pem: String,
    elliptic: Key,
    theirs: Key,
}

impl Issuers {
    pub fn new() -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = |kind: &str, der: &[u8]| {
            let lines = STANDARD.encode(der);
            let lines: Vec<&str> = lines.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
        };
        let private =
            EncodingKey::from_rsa_pem(pem("PRIVATE KEY", pair.as_der().unwrap().as_ref()).as_bytes()).unwrap();
        let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
        public.common.key_id = Some("rsa".to_owned());
        Self {
            ours: Key::new(Algorithm::EdDSA, "k"),
            rsa_pem: pem("PUBLIC KEY", aws_lc_rs::signature::KeyPair::public_key(&pair).as_der().unwrap().as_ref()),
            rsa: Key { algorithm: Algorithm::RS256, private, public },
            elliptic: Key::new(Algorithm::ES256, "ec"),
            theirs: Key::new(Algorithm::EdDSA, "theirs"),
        }
    }

    /// What the service is told of them.
    pub fn trusted(&self) -> [Issuer; 2] {
        let native = |name: &str, keys: &[&Key]| Issuer::native(name.to_owned(), "gevinst".to_owned(), in_file(keys));
        [
            native(ISSUER, &[&self.ours, &self.rsa, &self.elliptic]),
            Issuer {
                organisations: Some([uuid::Uuid::from_u128(0x6e61_626f)].into()),
                ..native(NEIGHBOUR, &[&self.theirs])
            },
        ]
    }
}

fn encoded(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// A token of any header and payload, signed with any key.
fn signed(header: &Value, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", encoded(&header.to_string()), encoded(payload));
    let signature = crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// Headers and claims that are wrong, each over a genuine signature where there can be one: (case, token, reason).
fn forged(world: &World, issuers: &Issuers) -> Vec<(&'static str, String, &'static str)> {
    let Issuers { ours, rsa, rsa_pem, elliptic, theirs } = issuers;
    let stranger = Key::new(Algorithm::EdDSA, "k");
    let claims = claims_of(world, json!({}));
    let payload = claims.to_string();
    let good = ours.sign(&claims);
    let parts: Vec<&str> = good.split('.').collect();
    let with = |header: Value| {
        let mut whole = json!({"alg": "EdDSA", "kid": "k", "typ": "at+jwt"});
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        signed(&whole, &payload, &ours.private, Algorithm::EdDSA)
    };
    let by_stranger = |header: Value| {
        let mut whole = json!({"alg": "EdDSA", "kid": "k"});
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        signed(&whole, &payload, &stranger.private, Algorithm::EdDSA)
    };
    let hmac = |secret: &[u8], kid: &str| {
        signed(&json!({"alg": "HS256", "kid": kid}), &payload, &EncodingKey::from_secret(secret), Algorithm::HS256)
    };
    let rsa_as = |name: &str, algorithm| signed(&json!({"alg": name, "kid": "rsa"}), &payload, &rsa.private, algorithm);
    let saying = |changes: Value| ours.sign(&claims_of(world, changes));
    let raw = |payload: &str| signed(&json!({"alg": "EdDSA", "kid": "k"}), payload, &ours.private, Algorithm::EdDSA);
    let now = world.clock.now().unix_timestamp();
    let jwk = serde_json::to_string(&rsa.public).unwrap();
    let raised = payload.replace("reader", "executive-board");
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    let bomb = payload.replacen('{', &format!("{{\"deep\":{deep},"), 1);
    let twice = payload.replacen('{', &format!("{{\"iss\":\"{NEIGHBOUR}\","), 1);
    let (invalid, expired) = ("TOKEN_INVALID", "TOKEN_EXPIRED");
    vec![
        ("garbage", "not.a.token".to_owned(), invalid),
        ("two parts only", format!("{}.{}", parts[0], parts[1]), invalid),
        ("alg none", format!("{}.{}.", encoded(r#"{"alg":"none","kid":"k"}"#), parts[1]), invalid),
        (
            "alg None, signature kept",
            format!("{}.{}.{}", encoded(r#"{"alg":"nOnE","kid":"k"}"#), parts[1], parts[2]),
            invalid,
        ),
        ("signature stripped", format!("{}.{}.", parts[0], parts[1]), invalid),
        (
            "signature of another token",
            {
                let other = saying(json!({"sub": "another"}));
                format!("{}.{}.{}", parts[0], parts[1], other.rsplit('.').next().unwrap())
            },
            invalid,
        ),
        ("HMAC with the public key's PEM", hmac(rsa_pem.as_bytes(), "rsa"), invalid),
        ("HMAC with the public key's JWK", hmac(jwk.as_bytes(), "rsa"), invalid),
        ("HMAC with nothing", hmac(b"", "k"), invalid),
        ("RS512 under an RS256 key", rsa_as("RS512", Algorithm::RS512), invalid),
        ("PS256 under an RS256 key", rsa_as("PS256", Algorithm::PS256), invalid),
        (
            "ES256 under the id of an EdDSA key",
            signed(&json!({"alg": "ES256", "kid": "k"}), &payload, &elliptic.private, Algorithm::ES256),
            invalid,
        ),
        (
            "id of another key of the issuer",
            signed(&json!({"alg": "EdDSA", "kid": "ec"}), &payload, &ours.private, Algorithm::EdDSA),
            invalid,
        ),
        ("id that is a path", with(json!({"kid": "../../../../dev/null"})), invalid),
        ("id that is SQL", with(json!({"kid": "k' UNION SELECT 'secret' --"})), invalid),
        ("no id", with(json!({"kid": null})), invalid),
        ("key brought along in jwk", by_stranger(json!({"jwk": stranger.public})), invalid),
        ("key to be fetched from jku", by_stranger(json!({"jku": "https://evil.example.invalid/jwks"})), invalid),
        (
            "certificate to be fetched from x5u",
            by_stranger(json!({"x5u": "https://evil.example.invalid/pem"})),
            invalid,
        ),
        ("crit that nobody understands", with(json!({"crit": ["exp"]})), invalid),
        ("typ logout+jwt", with(json!({"typ": "logout+jwt"})), invalid),
        ("typ of an id token", with(json!({"typ": "id_token+jwt"})), invalid),
        ("typ dpop+jwt", with(json!({"typ": "dpop+jwt"})), invalid),
        ("payload tampered to raise the role", format!("{}.{}.{}", parts[0], encoded(&raised), parts[2]), invalid),
        ("wrong audience", saying(json!({"aud": "another"})), invalid),
        ("audiences without ours", saying(json!({"aud": ["another", "gevinst2", "Gevinst"]})), invalid),
        ("no audience", saying(json!({"aud": null})), invalid),
        ("issuer with a slash at its end", saying(json!({"iss": format!("{ISSUER}/")})), invalid),
        ("issuer in capitals", saying(json!({"iss": ISSUER.to_uppercase()})), invalid),
        ("issuer that nobody trusts", saying(json!({"iss": "https://evil.example.invalid"})), invalid),
        (
            "another issuer's key",
            signed(&json!({"alg": "EdDSA", "kid": "theirs"}), &payload, &theirs.private, Algorithm::EdDSA),
            invalid,
        ),
        ("issuer named twice", raw(&twice), invalid),
        ("expired", saying(json!({"iat": now - 7200, "nbf": now - 7200, "exp": now - 3600})), expired),
        ("not yet valid", saying(json!({"nbf": now + 3600})), invalid),
        ("issued in the future", saying(json!({"iat": now + 3600, "exp": now + 7200})), invalid),
        ("for longer than a day", saying(json!({"exp": now + 48 * 3600})), invalid),
        ("no end", saying(json!({"exp": null})), invalid),
        ("end that is a text", saying(json!({"exp": "9999999999"})), invalid),
        ("no subject", saying(json!({"sub": null})), invalid),
        ("subject with control characters", saying(json!({"sub": "some\u{0}one\r\n"})), invalid),
        ("subject of 200 characters", saying(json!({"sub": "x".repeat(200)})), invalid),
        ("subject that is an object", saying(json!({"sub": {"$ne": null}})), invalid),
        ("token of 12 KiB", saying(json!({"padding": "x".repeat(9000)})), invalid),
        ("claims nested 2500 deep", raw(&bomb), invalid),
        ("payload that is no JSON", raw("<xml/>"), invalid),
        ("organisations that are a list", saying(json!({"organisations": [world.id()]})), invalid),
        (
            "bound to a certificate that is not shown",
            saying(json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode([7; 32])}})),
            "TOKEN_NOT_BOUND",
        ),
        (
            "bound to what cannot be checked",
            saying(json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})),
            invalid,
        ),
    ]
}

/// Every token that is none, and what good ones must not do.
pub async fn attack(suite: &mut Suite, issuers: &Issuers) {
    suite.part("Tokens");
    let ask = || pb::ListOrganisationsRequest {};
    let good = issuers.ours.sign(&claims_of(&suite.world, json!({})));
    let bearing = |suite: &Suite, token: &str| suite.world.stranger(Some(token.to_owned()));
    let unauthenticated = |reason| (Code::Unauthenticated, reason);

    let nobody = suite.world.stranger(None);
    suite.refuses("no token", &nobody, ask(), unauthenticated("TOKEN_MISSING"), Trace::Door).await;
    let two = bearing(suite, &good).with("authorization", &format!("Bearer {good}"));
    suite.refuses("two tokens", &two, ask(), unauthenticated("TOKEN_INVALID"), Trace::Door).await;
    for scheme in ["Basic", "Token", "Bearer:"] {
        let odd = nobody.clone().with("authorization", &format!("{scheme} {good}"));
        let name = format!("scheme {scheme}");
        suite.refuses(&name, &odd, ask(), unauthenticated("TOKEN_INVALID"), Trace::Door).await;
    }
    for (name, token, reason) in forged(&suite.world, issuers) {
        let person = bearing(suite, &token);
        suite.refuses(name, &person, ask(), unauthenticated(reason), Trace::Door).await;
    }
    // The same is good when nothing is wrong with it.
    assert_eq!(bearing(suite, &good).call(ask()).await.unwrap().organisations.len(), 1);

    let world = suite.world.seen_from(super::ATTACKER);
    let projects = || pb::ListProjectsRequest { organisation: world.id(), ..Default::default() };
    let invented = json!({"organisations": {world.id(): ["superuser", "EXECUTIVE-BOARD", "reader ", "*"]}});
    let invented = bearing(suite, &issuers.ours.sign(&claims_of(&world, invented)));
    let denied = (Code::PermissionDenied, "ROLE_MISSING");
    suite.refuses("roles that nobody knows", &invented, projects(), denied, Trace::Audit("")).await;
    let speaking = json!({"iss": NEIGHBOUR, "organisations": {world.id(): ["auditor"]}});
    let neighbour = bearing(suite, &issuers.theirs.sign(&claims_of(&world, speaking)));
    let not_found = (Code::NotFound, "NOT_FOUND");
    suite
        .refuses("issuer speaking for an organisation not its own", &neighbour, projects(), not_found, Trace::Door)
        .await;

    // Replayed after revocation: this token, everything of a subject, and what a subject has lent.
    let revoked = issuers.ours.sign(&claims_of(&world, json!({"jti": "stolen-1", "sub": "burgled"})));
    let (thief, projects_now) = (bearing(suite, &revoked), projects());
    thief.call(projects_now).await.unwrap();
    let deny = pb::DenyTokenRequest {
        organisation: world.id(),
        reason: "Stjålet.".to_owned(),
        claim: pb::RevokedClaim::TokenId.into(),
        value: "stolen-1".to_owned(),
        validate_only: false,
    };
    world.office().call(deny).await.unwrap();
    let gone = unauthenticated("TOKEN_REVOKED");
    suite.refuses("replayed after its revocation, to read", &thief, projects(), gone, Trace::Audit("")).await;
    let unit = world.unit("Enhed for mærker").await;
    let register = world.registration(&unit, "Et sidste projekt");
    suite.refuses("replayed after its revocation, to write", &thief, register.clone(), gone, Trace::Audit("")).await;
    world.denied("dismissed").await;
    let dismissed: Person = world.person("dismissed", &[Role::PortfolioOffice]);
    suite.refuses("new token of a revoked subject", &dismissed, register, gone, Trace::Audit("")).await;

    let lent = world.granted("leaving", Role::SteeringGroup).await;
    world.delegated(&lent, "stand-in").await;
    world.denied("leaving").await;
    let review = world.submitted(&world.project().await, pb::GateCode::G1).await;
    let decision = pb::DecideGateReviewRequest {
        acting_for: "leaving".to_owned(),
        ..world.decision(&review, pb::GateOutcome::Go)
    };
    let stand_in = world.person("stand-in", &[Role::Reader]);
    let lost = (Code::PermissionDenied, "NOT_A_DELEGATE");
    suite.refuses("substitute of a revoked person", &stand_in, decision, lost, Trace::Audit("")).await;
}
