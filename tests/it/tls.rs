//! TLS as the service speaks it: every protocol on the one port, clients with and without certificates, and
//! certificates that change while it runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use gevinst::{
    auth::Role,
    config::{Config, TlsConfig},
};
use gevinst_proto::v1 as pb;
use jsonwebtoken::Algorithm;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use tokio::process::Command;
use tonic::Code;
use tonic::transport::{Certificate as Root, ClientTlsConfig, Endpoint, Identity};

use crate::auth::{ISSUER, Key, claims_of, in_file};
use crate::harness::{Person, World, config, folder, process::until, raw};

/// Who issues certificates.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn root(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for this machine, or for whom the machine calls.
    fn issue(&self) -> Pair {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// The files of a server, and of those who call it.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        Self(folder("tls"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Puts the server's pair in place.
    fn put(&self, pair: &Pair) {
        self.write("tls.crt", &pair.certificate);
        self.write("tls.key", &pair.key);
    }

    fn config(&self, client_ca: Option<&Authority>) -> Config {
        let client_ca = client_ca.map(|authority| self.write("clients.crt", &authority.root()).into());
        let tls = TlsConfig { certificate: self.0.join("tls.crt"), key: self.0.join("tls.key"), client_ca };
        Config { tls: Some(tls), ..config() }
    }
}

/// A person who calls over gRPC, trusts this root, and perhaps shows a certificate.
fn person(world: &World, root: &str, identity: Option<&Pair>) -> Person {
    bearing(world, root, identity, world.token("office", &[Role::PortfolioOffice]))
}

/// The same with this token.
fn bearing(world: &World, root: &str, identity: Option<&Pair>, token: String) -> Person {
    let mut tls = ClientTlsConfig::new().ca_certificate(Root::from_pem(root)).domain_name("localhost");
    if let Some(pair) = identity {
        tls = tls.identity(Identity::from_pem(&pair.certificate, &pair.key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", world.address)).unwrap().tls_config(tls).unwrap();
    Person::new(endpoint.connect_lazy(), Some(token))
}

fn organisation(world: &World) -> pb::GetOrganisationRequest {
    pb::GetOrganisationRequest { organisation: world.id() }
}

/// What curl says to a GET: the head of the answer, its protocol and status last.
async fn curl(world: &World, root: &str, flags: &[&str]) -> Output {
    curl_bearing(world, root, flags, &world.token("office", &[Role::PortfolioOffice])).await
}

/// The same with this token.
async fn curl_bearing(world: &World, root: &str, flags: &[&str], token: &str) -> Output {
    let url = format!("https://localhost:{}/v1/organisations/{}", world.address.port(), world.id());
    let token = format!("authorization: Bearer {token}");
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-m",
        "30",
        "-o",
        "/dev/null",
        "-D",
        "-",
        "-w",
        "%{http_version} %{http_code}",
        "--cacert",
        root,
    ]);
    curl.args(["-H", &token]).args(flags).arg(url).output().await.unwrap()
}

async fn says(world: &World, root: &str, flags: &[&str]) -> String {
    let output = curl(world, root, flags).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn every_protocol_served_encrypted_on_one_port() {
    let (files, authority) = (Files::new(), Authority::new("Root"));
    files.put(&authority.issue());
    let world = World::with(files.config(None)).await;
    let root = files.write("root.crt", &authority.root());
    person(&world, &authority.root(), None).call(organisation(&world)).await.unwrap();
    for (flag, expected) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        for version in ["1.2", "1.3"] {
            let said = says(&world, &root, &[flag, "--tlsv1.2", "--tls-max", version]).await;
            assert!(said.ends_with(expected), "{flag} {version}: {said}");
            assert!(said.contains("strict-transport-security: max-age="), "{said}");
        }
    }
    // In the clear, and by those who trust somebody else: nothing.
    let answer = raw::http1(world.address, &[b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\n"], Duration::ZERO).await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    let stranger = Authority::new("Stranger").root();
    assert!(person(&world, &stranger, None).call(organisation(&world)).await.is_err());
    // Who never shakes hands is not waited for.
    assert_eq!(raw::http1(world.address, &[], Duration::ZERO).await, "");
    fs::remove_dir_all(files.0).unwrap();
}

#[tokio::test]
async fn client_certificate_optional_and_verified_where_shown() {
    let (files, authority, clients) = (Files::new(), Authority::new("Root"), Authority::new("Clients"));
    files.put(&authority.issue());
    let world = World::with(files.config(Some(&clients))).await;
    let root = authority.root();
    let (known, unknown) = (clients.issue(), Authority::new("Others").issue());
    person(&world, &root, None).call(organisation(&world)).await.unwrap();
    person(&world, &root, Some(&known)).call(organisation(&world)).await.unwrap();
    assert!(person(&world, &root, Some(&unknown)).call(organisation(&world)).await.is_err());
    // Over HTTP the same.
    let root = files.write("root.crt", &root);
    let shown = |pair: &Pair, name: &str| {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        [files.write(&certificate, &pair.certificate), files.write(&key, &pair.key)]
    };
    let [certificate, key] = shown(&known, "known");
    assert!(says(&world, &root, &["--cert", &certificate, "--key", &key]).await.ends_with("200"));
    let [certificate, key] = shown(&unknown, "unknown");
    let refused = curl(&world, &root, &["--cert", &certificate, "--key", &key]).await;
    assert!(!refused.status.success(), "{refused:?}");
    fs::remove_dir_all(files.0).unwrap();
}

/// RFC 8705: a token that names a certificate is its holder's alone.
#[tokio::test]
async fn token_bound_to_a_certificate_good_on_its_holders_connections_only() {
    let (files, authority, clients) = (Files::new(), Authority::new("Root"), Authority::new("Clients"));
    files.put(&authority.issue());
    let key = Key::new(Algorithm::EdDSA, "k");
    let issuer = gevinst::auth::issuers::Issuer::native(ISSUER.to_owned(), "gevinst".to_owned(), in_file(&[&key]));
    let world = World::with(Config { issuers: vec![issuer], ..files.config(Some(&clients)) }).await;
    let (holder, thief) = (clients.issue(), clients.issue());
    let body: String = holder.certificate.lines().filter(|line| !line.starts_with("---")).collect();
    let hash = digest(&SHA256, &STANDARD.decode(body).unwrap());
    let token = key.sign(&claims_of(&world, json!({"cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode(hash)}})));

    let root = authority.root();
    bearing(&world, &root, Some(&holder), token.clone()).call(organisation(&world)).await.unwrap();
    for identity in [Some(&thief), None] {
        let stolen = bearing(&world, &root, identity, token.clone()).call(organisation(&world)).await.unwrap_err();
        assert!(stolen.is(Code::Unauthenticated, "TOKEN_NOT_BOUND"), "{stolen:?}");
    }
    let root = files.write("root.crt", &root);
    for (pair, status) in [(&holder, "200"), (&thief, "401")] {
        let (certificate, key) = (files.write("c.crt", &pair.certificate), files.write("c.key", &pair.key));
        let output = curl_bearing(&world, &root, &["--cert", &certificate, "--key", &key], &token).await;
        assert!(String::from_utf8(output.stdout).unwrap().ends_with(status), "{status}");
    }
    fs::remove_dir_all(files.0).unwrap();
}

#[tokio::test]
async fn renewed_certificate_used_without_a_restart_and_a_broken_one_never() {
    let (files, old, new) = (Files::new(), Authority::new("Old"), Authority::new("New"));
    files.put(&old.issue());
    let world = World::with(files.config(None)).await;
    let (old_root, new_root) = (files.write("old.crt", &old.root()), files.write("new.crt", &new.root()));
    let accepts = async |root: &Path| curl(&world, root.to_str().unwrap(), &[]).await.status.success();
    let connected = person(&world, &old.root(), None);
    connected.call(organisation(&world)).await.unwrap();
    // A renewal that is not whole: what was there stays.
    let renewed = new.issue();
    files.write("tls.crt", &renewed.certificate);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(accepts(Path::new(&old_root)).await);
    files.write("tls.key", &renewed.key);
    until("the new certificate is used", async || accepts(Path::new(&new_root)).await).await;
    assert!(!accepts(Path::new(&old_root)).await);
    // Who was connected stays so.
    connected.call(organisation(&world)).await.unwrap();
    fs::remove_dir_all(files.0).unwrap();
}
