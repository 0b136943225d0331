//! Identity: what it takes to decide, record and sign an identity document, and to check one; and one for each of many runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use remit_core::confinement::Proof;
use remit_core::id::TaskId;
use remit_identity::{Bundle, verify_jwt_svid, x509};
use remit_server::engine::session;
use remit_server::issuer::{bundle, jwt_svid, token, x509_svid};
use remit_server::tasks::open::open;

use crate::house::House;
use crate::report::Row;
use crate::time::{cpu, now, percentile, us_each};

const AUDIENCE: &str = "vault";
const RESOURCE: &str = "https://vault.example";
const AT_ONCE: usize = 64;

/// `count` documents of each kind one after the other, as many checks, and one document for each of `runs` runs.
///
/// # Errors
/// When the engine does not start, or a document is refused or not good.
pub async fn run(folder: &Path, count: usize, runs: usize) -> anyhow::Result<Vec<Row>> {
    let house = Arc::new(House::open(&folder.join("identity")).await?);
    let app = house.app();
    let task = task(&house).await?;
    let live = session::of_task(app, task).await?;

    let (mut jwts, mut x509s, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let (mut svid, mut certificate) = (String::new(), None);
    let used = cpu();
    for _ in 0..count {
        let start = now();
        svid = jwt_svid::issue(app, &live, AUDIENCE, Proof::Peer).await?.1;
        jwts.push(start.elapsed());
    }
    let jwt_cpu = us_each(cpu().saturating_sub(used), count);
    let used = cpu();
    for _ in 0..count {
        let start = now();
        certificate = Some(x509_svid::issue(app, &live, Proof::Peer).await?.1.certificate);
        x509s.push(start.elapsed());
    }
    let x509_cpu = us_each(cpu().saturating_sub(used), count);
    let used = cpu();
    for _ in 0..count {
        let start = now();
        token::issue(app, &live, RESOURCE, None, Proof::Peer).await?;
        tokens.push(start.elapsed());
    }
    let token_cpu = us_each(cpu().saturating_sub(used), count);

    let published = Bundle::parse(&bundle::document(app).to_canonical())?;
    let (domain, at) = (&app.issuer.domain, app.clock.now());
    let used = cpu();
    for _ in 0..count {
        verify_jwt_svid(&svid, &published.jwt, domain, &[AUDIENCE], at)?;
    }
    let jwt_check = us_each(cpu().saturating_sub(used), count);
    let chain = [certificate.context("no certificate was issued")?];
    let used = cpu();
    for _ in 0..count {
        x509::verify_svid(&chain, &published.x509, domain, at)?;
    }
    let x509_check = us_each(cpu().saturating_sub(used), count);

    let fleet = fleet(&house, runs).await?;
    let house = Arc::into_inner(house).context("the engine is still in use")?;
    house.running.stop(Duration::from_secs(5)).await;
    let issued = |what: &str, mut times: Vec<Duration>| {
        times.sort_unstable();
        Row {
            p99: Some(percentile(&times, 0.99)),
            ..Row::new(
                format!("{what}: decided, recorded, signed"),
                percentile(&times, 0.5),
                "ms",
                None,
            )
        }
    };
    let each = |what: &str, us: f64| Row::new(what, us, "µs", None);
    Ok(vec![
        issued("JWT-SVID", jwts),
        each("JWT-SVID: CPU, alone with its commit", jwt_cpu),
        issued("X.509-SVID", x509s),
        each("X.509-SVID: CPU, alone with its commit", x509_cpu),
        issued("access token for another audience", tokens),
        each(
            "access token for another audience: CPU, alone with its commit",
            token_cpu,
        ),
        each("JWT-SVID: CPU of checking one", jwt_check),
        each("X.509-SVID: CPU of checking one", x509_check),
        Row::new(
            format!("X.509-SVIDs, one for each of {runs} live runs, {AT_ONCE} at once"),
            fleet,
            "/s",
            None,
        ),
    ])
}

async fn task(house: &House) -> anyhow::Result<TaskId> {
    let mut wish = House::wish("fs/*", "fs:/srv/repo")?;
    wish.destinations = vec![
        format!("other:{AUDIENCE}").parse()?,
        format!("url:{RESOURCE}").parse()?,
    ];
    Ok(open(house.app(), wish, &"alice".parse()?).await?.task.id)
}

/// Documents per second, when each of many runs asks for one.
async fn fleet(house: &Arc<House>, runs: usize) -> anyhow::Result<f64> {
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let house = Arc::clone(house);
        opening.spawn(async move {
            let mut tasks = Vec::new();
            for _ in 0..runs.div_ceil(AT_ONCE) {
                tasks.push(task(&house).await?);
            }
            anyhow::Ok(tasks)
        });
    }
    let mut shares = Vec::new();
    while let Some(opened) = opening.join_next().await {
        shares.push(opened??);
    }
    let asked: usize = shares.iter().map(Vec::len).sum();
    let start = now();
    let mut issuing = tokio::task::JoinSet::new();
    for share in shares {
        let app = Arc::clone(house.app());
        issuing.spawn(async move {
            for task in share {
                let live = session::of_task(&app, task).await?;
                x509_svid::issue(&app, &live, Proof::Peer).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = issuing.join_next().await {
        done??;
    }
    Ok(asked as f64 / start.elapsed().as_secs_f64())
}
