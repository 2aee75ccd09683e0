//! The appliance's own part of an upgrade as a checklist. It has no public interface, so these are steps in the Local UI.

/// The checklist before the sources change, with what to check for.
#[must_use]
pub fn render_checklist(registry: &str) -> String {
    format!(
        "\
before the sources change, on the appliance
  [ ] Artifact Studio: the card of your deployment, the target version, the Content Bundle alone (no ISO, Helm chart or MON Key)
        check: its checksum and signature; --bundle FILE reads it
  [ ] upload it to the leader node: palette content upload --file BUNDLE --token TOKEN LEADER, or Local UI (https://LEADER:5080) > Content >
        Actions > Upload Content. A browser is slow at this size; the token is on the node: /opt/spectrocloud/.upload-auth-token
        check: linked hosts Synced; the node then unpacks for 15 to 30 minutes without output
  [ ] Local UI > Cluster > Configuration > Update > Review Changes: decide about each default that differs
        check: the Zot password is that of the first installation; the upgrade fails with another one
  [ ] Confirm Changes, Update: the node may reboot; the Local UI is unavailable meanwhile
        check: Cluster > Overview says Running, the palette-ai pack shows the new version
  [ ] the registry {registry} then has both charts: this program checks it before it patches anything
"
    )
}

/// How to reach a registry inside the cluster from a workstation.
#[must_use]
pub fn suggest_port_forward(host: &str) -> String {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(service), Some(namespace), Some("svc")) => format!(
            "kubectl port-forward --namespace {namespace} service/{service} 5000:{port} &  then --registry-url http://127.0.0.1:5000"
        ),
        _ => "pass an address that this workstation can reach: --registry-url".to_owned(),
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
