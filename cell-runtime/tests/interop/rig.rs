//! The cell behind each transport, and a client of it.

use std::sync::Arc;
use std::time::Duration;

use cell_sdk::__private::client::TypedClient;
use cell_sdk::cell;
use cell_sdk::client::Target;
use cell_sdk::schema::own_service;
use cell_sdk::server::{self, ServerOptions, Service};
use cell_sdk::stream::Failure;
use cell_sdk::transport::{Listener, UdsListener, memory};
use cell_sdk::{CallError, Error};

use crate::service::{Probe, interop};

pub(crate) struct Rig {
    pub(crate) probe: Arc<Probe>,
    pub(crate) client: TypedClient,
    pub(crate) target: Target,
    /// What must live as long as the cell.
    _alive: Box<dyn std::any::Any>,
}

fn serve(listener: impl Listener) -> Arc<Probe> {
    let probe = Arc::<Probe>::default();
    let service = interop::handlers().state(Arc::clone(&probe)).into_server();
    let run = server::run(
        listener,
        service.unwrap(),
        ServerOptions::default(),
        std::future::pending(),
    );
    tokio::spawn(run);
    probe
}

fn identity() -> (String, u64) {
    let service: Arc<dyn Service> = interop::handlers()
        .state(Arc::<Probe>::default())
        .into_server()
        .unwrap();
    (service.name().to_owned(), service.fingerprint())
}

/// The number of a route.
pub(crate) fn route(name: &str) -> u64 {
    let schema = own_service("interop::service::interop").unwrap();
    schema.route(name).unwrap().fingerprint.0
}

impl Rig {
    fn new(probe: Arc<Probe>, target: Target, alive: impl std::any::Any) -> Rig {
        Rig {
            probe,
            client: TypedClient::to(target.clone()),
            target,
            _alive: Box::new(alive),
        }
    }

    pub(crate) async fn memory() -> Rig {
        let (listener, connect) = memory();
        let (name, fingerprint) = identity();
        let target = Target::memory(&name, fingerprint, connect);
        Rig::new(serve(listener), target, ())
    }

    pub(crate) async fn unix() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("interop.sock");
        let probe = serve(UdsListener::bind(&path).unwrap());
        let (name, fingerprint) = identity();
        let target = Target::at(&path.display().to_string(), &name, fingerprint);
        Rig::new(probe, target.unwrap(), folder)
    }

    /// A connection that has moved into shared memory: after a few calls it does so by itself.
    pub(crate) async fn gap() -> Rig {
        let rig = Rig::unix().await;
        for _ in 0..16 {
            rig.call::<_, ()>("empty", &()).await.unwrap();
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(
            maps.contains("memfd:cell-gap"),
            "nothing is shared:\n{maps}"
        );
        rig
    }

    #[cfg(feature = "remote")]
    pub(crate) async fn quic() -> Rig {
        use cell_sdk::remote::{Keys, QuicListener, RemoteAddress, RemoteLimits};
        let folder = tempfile::tempdir().unwrap();
        let (name, fingerprint) = identity();
        keys::issue(folder.path(), [&name, "caller"]);
        let keys = |of: &str| Keys::at(folder.path(), of).unwrap();
        let (listener, closing) = QuicListener::bind(
            ([127, 0, 0, 1], 0).into(),
            keys(&name),
            RemoteLimits::DEFAULT,
            |refused| panic!("{refused:?}"),
        )
        .unwrap();
        let address = RemoteAddress::parse(&listener.address().to_string()).unwrap();
        let target = Target::remote(address, keys("caller"), &name, fingerprint);
        Rig::new(serve(listener), target, (folder, closing))
    }

    /// QUIC, and before it a socket of this machine.
    #[cfg(feature = "remote")]
    pub(crate) async fn relayed() -> Rig {
        let there = Rig::quic().await;
        let schema = own_service("interop::service::interop").unwrap();
        let routes = schema.routes.iter().map(|route| route.fingerprint.0);
        let client = cell_sdk::client::Client::new(there.target.clone());
        let forward =
            cell_sdk::remote::Forward::new(client, schema.fingerprint.0, routes.collect());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sock");
        let run = server::run(
            UdsListener::bind(&path).unwrap(),
            Arc::new(forward),
            ServerOptions::default(),
            std::future::pending(),
        );
        tokio::spawn(run);
        let (name, fingerprint) = identity();
        let target = Target::at(&path.display().to_string(), &name, fingerprint).unwrap();
        Rig::new(Arc::clone(&there.probe), target, (folder, there))
    }

    pub(crate) fn within(&self, limit: Duration) -> TypedClient {
        self.client.clone().deadline(limit)
    }

    /// A call of a route without an error.
    pub(crate) async fn call<Req: cell::Protein, T: cell::Protein>(
        &self,
        name: &str,
        arguments: &Req,
    ) -> Result<T, Error> {
        self.client.call(route(name), arguments).await
    }

    /// A call of a route with one.
    pub(crate) async fn fallible<Req: cell::Protein, T: cell::Protein>(
        &self,
        name: &str,
        arguments: &Req,
    ) -> Result<T, CallError<interop::Trouble>> {
        self.client.call_fallible(route(name), arguments).await
    }
}

/// All items of a stream.
pub(crate) async fn all<T: cell::Protein, F: Failure>(
    mut items: cell::Streaming<T, F>,
) -> Result<Vec<T>, F> {
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item?);
    }
    Ok(all)
}

#[cfg(feature = "remote")]
mod keys {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use cell_sdk::remote::{AUTHORITY_FILE, identity_file};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    /// A folder of keys as `cargo cell keys` writes it.
    pub(super) fn issue(folder: &Path, names: [&str; 2]) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join(AUTHORITY_FILE), authority.pem()).unwrap();
        for name in names {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            let file = folder.join(identity_file(name));
            std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}
