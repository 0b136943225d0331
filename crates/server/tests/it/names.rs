//! Names that rules and records take for Remit itself are nobody else's, however a server comes about.

use remit_server::config::{Config, Database};
use remit_server::egress::systems::{self, NewSystem};
use remit_server::registry::servers::{self, NewServer};
use remit_store::servers::Transport;

use crate::house::{House, name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_registered_under_our_names() {
    let mut config = Config::default();
    for database in ["remit", "unknown-host", "erp"] {
        let one = Database {
            host: Some("db.example".to_owned()),
            database: "erp".to_owned(),
            user: "reader".to_owned(),
            ..Database::default()
        };
        config.databases.insert(database.to_owned(), one);
    }
    let house = House::open_with(config).await;
    let app = house.app();
    let by = name("alice");
    for ours in ["remit", "unknown-host"] {
        let server = NewServer {
            name: name(ours),
            transport: Transport::Url(house.stub.url()),
            cwd: None,
            allow_private: true,
            shareable: false,
            uncontained: false,
            environment: Vec::new(),
            accept_floating: false,
        };
        let refused = servers::add(app, server, &by).await.unwrap_err();
        assert!(refused.to_string().contains("is ours"), "{refused}");
        let system = NewSystem {
            hosts: vec!["a.example".to_owned()],
            ..NewSystem::default()
        };
        let refused = systems::add(app, &name(ours), &system, &by).await.unwrap_err();
        assert!(refused.to_string().contains("is ours"), "{refused}");
    }
    assert!(app.world().registry.server(&name("erp")).is_some());
    let remit = app.world().registry.server(&name("remit")).cloned().unwrap();
    assert!(remit_server::tasks::builtin::is(&remit.server.name));
    assert_eq!(
        remit.server.transport,
        Transport::Command(Vec::new()),
        "it is ours still"
    );
    assert!(app.world().registry.server(&name("unknown-host")).is_none());
}
