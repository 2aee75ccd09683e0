//! The appliance's own part of an upgrade, which has no public interface: the Local UI's steps as a check-list.

/// The check-list before the sources are moved, with what to look for.
#[must_use]
pub fn render_checklist(registry: &str) -> String {
    format!(
        "\
before the sources are moved, on the appliance
  [ ] Artifact Studio: the card of your deployment, the target version, the Content Bundle alone (no ISO, Helm chart or MON Key)
        look for: its checksum and signature; --bundle FILE looks into it
  [ ] upload it to the leader node: palette content upload --file BUNDLE --token TOKEN LEADER, or Local UI (https://LEADER:5080) > Content >
        Actions > Upload Content. A browser is slow at this size; the token lies on the node, /opt/spectrocloud/.upload-auth-token
        look for: linked hosts Synced; the node goes on unpacking for 15 to 30 minutes without a word
  [ ] Local UI > Cluster > Configuration > Update > Review Changes: decide each default that differs
        look for: the Zot password is that of the first installation; another one makes the upgrade fail
  [ ] Confirm Changes, Update: the node may reboot, and the Local UI is away meanwhile
        look for: Cluster > Overview says Running, the palette-ai pack shows the new version
  [ ] the registry {registry} then holds both charts: that is checked here before anything is patched
"
    )
}

/// How a registry inside the cluster is reached from a workstation.
#[must_use]
pub fn suggest_port_forward(host: &str) -> String {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(service), Some(namespace), Some("svc")) => format!(
            "kubectl port-forward --namespace {namespace} service/{service} 5000:{port} &  then --registry-url http://127.0.0.1:5000"
        ),
        _ => "name an address of it that is reachable from here with --registry-url".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_forwarded_by_name() {
        assert!(
            suggest_port_forward("zot.zot-system.svc.cluster.local:5000")
                .contains("--namespace zot-system service/zot 5000:5000")
        );
        assert!(suggest_port_forward("10.0.0.9:30003").contains("--registry-url"));
        assert!(render_checklist("zot.zot.svc").contains("Zot password"));
    }
}
