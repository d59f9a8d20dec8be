//! Reading the managed directory back.

use std::os::unix::fs::symlink;

use nanio_orchestrator::adapters::nginx::gateway::NginxGateway;
use nanio_orchestrator::domain::disk::{DiskContent, DiskFile};
use nanio_orchestrator::ports::gateway::{FileAt, Gateway};

/// A managed directory of a dry run.
struct Disk {
    dir: tempfile::TempDir,
    gateway: NginxGateway,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateway = NginxGateway::dry_run(&dir.path().join("nginx"), false).unwrap();
        Self { dir, gateway }
    }

    fn path(&self, relative: &str) -> String {
        self.dir.path().join("nginx").join(relative).display().to_string()
    }

    fn write(&self, relative: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(relative), text).unwrap();
    }

    async fn all(&self) -> Vec<DiskFile> {
        self.gateway.read_all().await.unwrap()
    }

    async fn at(&self, path: &str) -> FileAt {
        self.gateway.read_file(path).await.unwrap()
    }
}

const POOL: &str = "# managed by nanio-orchestrator\n# pool:p type:nanio\nupstream p {\n    least_conn;\n    \
                    server 127.0.0.1:9 weight=1 max_fails=3 fail_timeout=30s; # member:127.0.0.1:9\n    keepalive 32;\n}\n";

#[tokio::test]
async fn every_file_is_listed_in_order_of_path_with_what_it_says() {
    let disk = Disk::new();
    disk.write("pools/p.conf", POOL);
    disk.write("pools/mine.conf", "upstream mine { server 127.0.0.1:1; }\n");
    disk.write("pools/.hidden.conf", POOL);
    disk.write("pools/p.conf.bak", POOL);
    disk.write("vhosts/broken.example.conf", "# managed by nanio-orchestrator\nserver {\n");
    disk.write("vhosts/bytes.example.conf", b"# managed by nanio-orchestrator\n\xff\n");
    let all = disk.all().await;
    let paths: Vec<_> = all.iter().map(|file| file.path.clone()).collect();
    let expected = ["pools/mine.conf", "pools/p.conf", "vhosts/broken.example.conf", "vhosts/bytes.example.conf"];
    assert_eq!(paths, expected.map(|path| disk.path(path)));
    assert_eq!(all[0].content, DiskContent::Foreign);
    assert!(matches!(&all[1].content, DiskContent::Upstream(upstream) if upstream.name.as_str() == "p"));
    let DiskContent::Unreadable(why) = &all[2].content else { panic!("{:?}", all[2]) };
    assert!(why.starts_with("line 3:"), "{why}");
    assert_eq!(all[3].content, DiskContent::Unreadable("it is not UTF-8 text".to_owned()));
}

#[tokio::test]
async fn a_managed_file_is_read_by_its_path_with_its_text() {
    let disk = Disk::new();
    assert_eq!(disk.at(&disk.path("pools/p.conf")).await, FileAt::Missing);
    disk.write("pools/p.conf", POOL);
    let FileAt::Present(file, text) = disk.at(&disk.path("pools/p.conf")).await else { panic!("not there") };
    assert_eq!(text, POOL);
    assert_eq!(vec![*file], disk.all().await);
}

#[tokio::test]
async fn f35_nothing_but_a_managed_file_is_opened() {
    let disk = Disk::new();
    let secret = disk.dir.path().join("secret");
    std::fs::write(&secret, "root:x").unwrap();
    symlink(&secret, disk.path("pools/link.conf")).unwrap();
    symlink(disk.dir.path(), disk.path("vhosts/dir")).unwrap();
    symlink(disk.dir.path(), disk.path("vhosts/dir.conf")).unwrap();
    std::fs::create_dir(disk.path("pools/directory.conf")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(disk.path("pools/socket.conf")).unwrap();
    std::fs::File::create(disk.path("pools/huge.conf")).unwrap().set_len((64 << 20) + 1).unwrap();
    let outside = ["/etc/shadow", "", "/", "pools/p.conf", "/dev/zero"].map(str::to_owned);
    let inside = [
        "pools/link.conf",
        "pools/directory.conf",
        "pools/socket.conf",
        "pools/huge.conf",
        "vhosts/dir.conf",
        "vhosts/dir/secret",
        "vhosts/../pools/../../secret",
        "pools/../../secret.conf",
        "vhosts/dir/x.conf",
        "pools/.hidden.conf",
        "pools/p.conf.bak",
        "pools/p.conf/",
        "pools",
        "",
        ".nanio/staging/pools/p.conf",
        "other/p.conf",
        "p.conf",
        "pools/\0.conf",
    ]
    .map(|path| disk.path(path));
    for path in outside.iter().chain(&inside) {
        let found = disk.at(path).await;
        assert!(matches!(&found, FileAt::NotManaged(why) if why.starts_with(path)), "{path:?}: {found:?}");
    }
    // A link that stays inside is a file like any other.
    disk.write("pools/p.conf", POOL);
    symlink(disk.path("pools/p.conf"), disk.path("pools/inner.conf")).unwrap();
    assert!(matches!(disk.at(&disk.path("pools/inner.conf")).await, FileAt::Present(..)));
    // What could not be read is in the list all the same: nginx may read it.
    let strange = disk.all().await.into_iter().filter(|file| matches!(file.content, DiskContent::Unreadable(_)));
    assert_eq!(strange.count(), 5);
}

#[tokio::test]
async fn a_sidecar_is_about_what_its_name_field_says_wherever_it_lies() {
    let disk = Disk::new();
    disk.write("pools/new.meta.json", "{\"name\": \"old\", \"pool_id\": 1}");
    disk.write("pools/p.meta.json", "{\"name\": \"p\"}");
    disk.write("vhosts/A.example.meta.json", "{\"server_name\": \"a.example\"}");
    disk.write("vhosts/p.meta.json", "{\"name\": \"p\"}");
    disk.write(
        "ids.meta.json",
        "{\"highest_ids\": {\"pools\": 100, \"members\": 0, \"vhosts\": 0, \"routes\": 0, \"migrations\": 0}}",
    );
    let all = disk.all().await;
    assert!(matches!(&all[0].content, DiskContent::Ids(highest) if highest.pools == 100));
    let DiskContent::PoolSidecar(renamed) = &all[1].content else { panic!("{:?}", all[1]) };
    assert_eq!(renamed.name.as_str(), "old");
    assert_eq!(renamed.remains, ["it says that its name is old; that counts, not the name of the file"]);
    assert!(matches!(&all[2].content, DiskContent::PoolSidecar(sidecar) if sidecar.remains.is_empty()));
    assert_eq!(all[3].name, None, "no vhost of ours keeps its sidecar there");
    assert!(
        matches!(&all[3].content, DiskContent::VhostSidecar(sidecar) if sidecar.server_name.as_str() == "a.example")
    );
    assert_eq!(all[4].content, DiskContent::Unreadable("its server_name is missing".to_owned()));
}
