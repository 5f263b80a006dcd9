//! Tokens of an OpenID provider that nobody here wrote, over HTTPS, with its discovery document and its keys: rotated
//! under load, killed and back. tests/clients/provider.mjs is the provider.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::Ed25519KeyPair,
};
use gevinst::{
    auth::{
        CallerKind, Role,
        issuers::{self, Issuer},
        token::Verifier,
    },
    config::Config,
    dev::postgres::free_port,
    error::Error,
    ids::OrganisationId,
    peer::Peer,
};
use gevinst_proto::v1 as pb;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::process::Command;
use tonic::Code;
use uuid::Uuid;

use crate::harness::{
    Failure, World, config, folder, found, owner,
    process::{Program, tell, until},
    tool,
};

const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// The provider, and a client of it with a certificate.
struct Provider {
    program: Program,
    folder: PathBuf,
    port: u16,
    client: reqwest::Client,
    /// SHA-256 of the client's certificate.
    certificate: [u8; 32],
}

impl Provider {
    /// A provider with keys of its own, on a port of its own, under an authority that nobody else trusts.
    async fn start() -> Self {
        let folder = folder("provider");
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certify = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &authority).unwrap(), key.serialize_pem())
        };
        let (server, server_key) = certify("127.0.0.1");
        fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        fs::write(folder.join("cert.pem"), server.pem()).unwrap();
        fs::write(folder.join("key.pem"), server_key).unwrap();
        let (own, own_key) = certify("system.invalid");
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
            .identity(reqwest::Identity::from_pem((own.pem() + &own_key).as_bytes()).unwrap())
            // The provider is killed and comes back: no connection outlives it.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let port = free_port().unwrap();
        let certificate = digest(&SHA256, own.der()).as_ref().try_into().unwrap();
        Self { program: Self::run(&folder, port).await, folder, port, client, certificate }
    }

    /// The program, once it serves.
    async fn run(folder: &PathBuf, port: u16) -> Program {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/provider.mjs");
        let modules = tool("node_modules/oidc-provider").canonicalize().unwrap();
        let mut node = Command::new("node");
        node.arg(script).arg(folder).arg(port.to_string()).env("NODE_PATH", modules.parent().unwrap());
        let mut program = Program::spawn(node);
        program.said("serving").await;
        program
    }

    async fn post(&self, path: &str, body: String) -> String {
        let request = self.client.post(format!("https://127.0.0.1:{}{path}", self.port)).body(body);
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        text
    }

    /// A token from the token endpoint, by one of its clients.
    async fn token(&self, client: &str, grant: &str) -> String {
        let form = format!("client_id={client}&client_secret=secret%20of%20{client}&grant_type={grant}");
        let answer: Value = serde_json::from_str(&self.post("/token", form).await).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of a system that acts for itself.
    async fn system(&self, algorithm: &str) -> String {
        self.token(&format!("system-{algorithm}"), "client_credentials").await
    }

    /// Signs with new keys from now on, and goes on publishing those before.
    async fn rotate(&self) {
        self.post("/rotate", String::new()).await;
    }

    /// Trust in it, as an operator writes it: strict, found by discovery, for this organisation.
    fn trusted(&self, organisation: Uuid) -> Vec<Issuer> {
        let document = json!({"issuers": [{
            "issuer": format!("https://127.0.0.1:{}", self.port),
            "audience": "gevinst",
            "ca_file": self.folder.join("ca.pem"),
            "organisations": [organisation],
            "claims": {"roles": {
                "claim": "/resource_access/gevinst/roles",
                "values": {"kontor": {"role": "portfolio-office"}},
            }},
        }]});
        issuers::read(&document.to_string()).unwrap()
    }
}

/// A provider, a server that trusts it, and the organisation that it may speak for.
async fn world() -> (Provider, World, Uuid) {
    let provider = Provider::start().await;
    let owner = owner().await;
    let organisation = found(&owner).await;
    owner.close().await.unwrap();
    let world = World::with(Config { issuers: provider.trusted(organisation), ..config() }).await;
    (provider, world, organisation)
}

async fn ask(world: &World, token: &str) -> Result<usize, Failure> {
    let answer = world.stranger(Some(token.to_owned())).call(pb::ListOrganisationsRequest {}).await;
    answer.map(|answer| answer.organisations.len())
}

#[tokio::test]
async fn tokens_of_every_algorithm_accepted_and_persons_told_from_systems() {
    let (provider, world, organisation) = world().await;
    let verifier = Verifier::new(&provider.trusted(organisation)).await.unwrap();
    for algorithm in ALGORITHMS {
        let client = format!("system-{algorithm}");
        let cases = [
            (provider.system(algorithm).await, CallerKind::Service, client.as_str()),
            (provider.token(&client, "person&person=anna").await, CallerKind::Person, "anna"),
        ];
        for (token, kind, subject) in cases {
            assert_eq!(ask(&world, &token).await.unwrap(), 1, "{algorithm} {kind:?}");
            let caller = verifier.verify(format!("Bearer {token}").as_bytes(), None).await.unwrap();
            assert_eq!((caller.kind(), caller.subject()), (kind, subject), "{algorithm}");
            assert!(caller.token_id().is_some());
            let roles = caller.roles_in(OrganisationId::new(organisation)).unwrap();
            assert_eq!(roles.iter().map(|held| held.role).collect::<Vec<_>>(), [Role::PortfolioOffice]);
        }
    }
    // Trust in it is trust in its keys: what someone else signs in its name is refused.
    let stranger = garbage(&provider, "stranger");
    assert!(ask(&world, &stranger).await.unwrap_err().is(Code::Unauthenticated, "TOKEN_INVALID"));
}

#[tokio::test]
async fn token_bound_to_a_certificate_accepted_from_its_holder_only() {
    let (provider, world, organisation) = world().await;
    let token = provider.token("bound-ES256", "client_credentials").await;
    let verifier = Verifier::new(&provider.trusted(organisation)).await.unwrap();
    let address = world.address.ip();
    let from = async |certificate_sha256: Option<[u8; 32]>| {
        verifier
            .verify(
                format!("Bearer {token}").as_bytes(),
                Some(&Peer { address, certificate_sha256, is_encrypted: true }),
            )
            .await
    };
    assert_eq!(from(Some(provider.certificate)).await.unwrap().kind(), CallerKind::Service);
    for other in [Some([0; 32]), None] {
        assert!(matches!(from(other).await, Err(Error::TokenNotBound)), "{other:?}");
    }
    assert!(ask(&world, &token).await.unwrap_err().is(Code::Unauthenticated, "TOKEN_NOT_BOUND"));
}

/// A token in the provider's name under a key that it never had.
fn garbage(provider: &Provider, id: &str) -> String {
    let pair = Ed25519KeyPair::generate().unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(id.to_owned());
    let claims = json!({"iss": format!("https://127.0.0.1:{}", provider.port), "aud": "gevinst", "sub": "nobody"});
    encode(&header, &claims, &EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())).unwrap()
}

#[tokio::test]
async fn keys_rotated_under_load_no_valid_token_refused_while_key_ids_are_invented() {
    const CALLERS: usize = 8;
    const ROTATIONS: usize = 4;
    const CALLS_A_TOKEN: usize = 20;
    const ATTACKERS: usize = 32;
    let (provider, world, _) = world().await;
    let (provider, world) = (Arc::new(provider), Arc::new(world));
    let (stop, calls, invented) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::default());
    // How many tokens each caller has used up.
    let used: Arc<[AtomicUsize; CALLERS]> = Arc::default();
    let mut tasks = Vec::new();
    for caller in 0..CALLERS {
        let (provider, world, stop) = (provider.clone(), world.clone(), stop.clone());
        let (calls, used) = (calls.clone(), used.clone());
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let token = provider.system(ALGORITHMS[caller % ALGORITHMS.len()]).await;
                for _ in 0..CALLS_A_TOKEN {
                    let answer = ask(&world, &token).await;
                    assert!(matches!(answer, Ok(1)), "a valid token, refused: {answer:?}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                used[caller].fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for attacker in 0..ATTACKERS {
        let (provider, world, stop) = (provider.clone(), world.clone(), stop.clone());
        let invented: Arc<AtomicUsize> = Arc::clone(&invented);
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let count = invented.fetch_add(1, Ordering::Relaxed);
                let failure = ask(&world, &garbage(&provider, &format!("{attacker}-{count}"))).await.unwrap_err();
                assert!(failure.is(Code::Unauthenticated, "TOKEN_INVALID"), "{failure:?}");
            }
        }));
    }
    for _ in 0..ROTATIONS {
        provider.rotate().await;
        // Of the next two tokens of each caller, the second is under a new key: the provider may forget those before.
        let now = || used.iter().map(|used| used.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = now();
        until("every caller has gone on", async || {
            let gone_on = now().iter().zip(&before).all(|(now, before)| *now >= before + 2);
            gone_on || tasks.iter().any(tokio::task::JoinHandle::is_finished)
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (calls, invented) = (calls.load(Ordering::Relaxed), invented.load(Ordering::Relaxed));
    tell(&format!("provider: {ROTATIONS} rotations under {calls} calls and {invented} invented keys, none refused"));
}

#[tokio::test]
async fn provider_killed_known_keys_go_on_and_back_new_ones_too() {
    let (mut provider, world, _) = world().await;
    let world = Arc::new(world);
    let known = provider.system("ES256").await;
    assert_eq!(ask(&world, &known).await.unwrap(), 1);
    // Someone calls all the while.
    let stop = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn({
        let (world, known, stop) = (world.clone(), known.clone(), stop.clone());
        async move {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(matches!(ask(&world, &known).await, Ok(1)), "a valid token, refused");
                calls += 1;
            }
            calls
        }
    });
    provider.rotate().await;
    let new = provider.system("ES256").await;
    provider.program.signal("KILL").await;
    provider.program.end().await;
    // Its key cannot be had, so nobody knows whether it is good: neither let in nor called bad.
    let failure = ask(&world, &new).await.unwrap_err();
    assert!(failure.is(Code::Unavailable, "KEYS_UNAVAILABLE"), "{failure:?}");
    provider.program = Provider::run(&provider.folder, provider.port).await;
    assert_eq!(ask(&world, &new).await.unwrap(), 1);
    stop.store(true, Ordering::Relaxed);
    let calls = calling.await.unwrap();
    tell(&format!("provider: {calls} calls under a known key while it was killed and came back, none refused"));
}
