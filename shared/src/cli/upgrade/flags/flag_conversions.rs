//! Validates the flags and converts them into the types of `ask`, before any request to a cluster.

use crate::ask::{
    self, AllowedActions, ApplianceAccess, FluxSourceNames, HelmOptions, Installation, JournalLocation, OwnerMode,
    RegistryAccess, ReleaseTarget, RepairSpec, ServerSide, StoredValues, UpgradeSpec, ValueOptions,
};
use crate::model::chart::ChartRef;
use crate::model::flux::SourceVerification;
use crate::model::signature::SignatureRequirements;
use crate::plan::journal::RunEntry;
use crate::plan::saved_plan::{RuntimeInputs, SavedPlan};
use crate::prepare::handover::ManifestOptions;
use crate::prepare::waivers_file;
use crate::problem::Problem;
use crate::run::run_options::{BackupHook, BackupOptions};

use crate::cli::upgrade::upgrade_error::UpgradeError;

use super::{
    ApplianceFlags, ApplyFlags, BackupFlags, FluxManifestsFlags, HelmFlags, InstallationFlags, JournalLocationFlags,
    ModeFlag, OwnerFlags, RegistryFlags, ReleaseValueFlags, RepairFlags, ResumeFlags, RollbackFlags, RunFlags,
    ServerSideFlag, SignatureFlags, UpgradeFlags,
};

impl UpgradeFlags {
    /// The upgrade that these flags request.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_ask(&self) -> Result<UpgradeSpec, Problem> {
        let spec = UpgradeSpec::new(
            self.installation.to_installation()?,
            parse_chart("--crds-chart", &self.crds_chart)?,
            parse_chart("--chart", &self.chart)?,
            ask::parse_duration("--timeout", &self.run_flags.timeout)?,
        );
        Ok(UpgradeSpec {
            crds: ReleaseTarget { version: self.crds.clone(), ..spec.crds },
            app: ReleaseTarget { version: self.to.clone(), ..spec.app },
            mode: self.installation.to_mode(),
            values: self.values.to_values(),
            crds_values: self.values.crds.to_crds_values(),
            registry: self.registry.to_access(),
            allowed_actions: self.to_allowed(),
            server_dry_runs: self.run_flags.needs_server_dry_runs(),
            waivers: waivers_file::read_waivers(self.run_flags.waivers.as_deref())?,
            ignored_paths: self.ignore.clone(),
            check_images: !self.registry.skip_images,
            helm_options: self.helm.to_options(),
            appliance: self.owners.appliance.to_access()?,
            sources: self.owners.to_source_names()?,
            signature: self.signature.to_request()?,
            ..spec
        })
    }

    const fn to_allowed(&self) -> AllowedActions {
        AllowedActions {
            downgrade: self.allow_downgrade,
            foreign_downgrade: self.allow_foreign_downgrade,
            keep_crds: self.keep_crds,
            migrate: self.migrate,
            field_loss: self.allow_field_loss,
            chart_change: self.allow_chart_change,
            removals: self.allow_removals,
            untried_conversion: self.allow_untried_conversion,
            take_ownership: self.helm.take_ownership,
        }
    }
}

impl ApplyFlags {
    /// The upgrade of a saved plan, with the cluster access, values and limits of these flags.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_ask(&self, saved: &SavedPlan) -> Result<UpgradeSpec, Problem> {
        Ok(saved.to_upgrade_spec(RuntimeInputs {
            cluster: self.cluster.to_access()?,
            registry: self.registry.to_access(),
            values: self.values.to_values(),
            crds_values: self.values.crds.to_crds_values(),
            timeout: ask::parse_duration("--timeout", &self.run_flags.timeout)?,
            server_dry_runs: self.run_flags.needs_server_dry_runs(),
            waivers: waivers_file::read_waivers(self.run_flags.waivers.as_deref())?,
            check_images: !self.registry.skip_images,
            appliance: self.appliance.to_access()?,
        }))
    }
}

impl OwnerFlags {
    fn to_source_names(&self) -> Result<FluxSourceNames, Problem> {
        // An object name may have 253 characters and contain dots; a DNS label may not.
        let parse_name = |flag: &str, text: &Option<String>| match text {
            Some(text) => ask::parse_name(flag, &text.replace('.', "-"), 253).map(|_| Some(text.clone())),
            None => Ok(None),
        };
        Ok(FluxSourceNames {
            crds: parse_name("--crds-source", &self.crds_source)?,
            app: parse_name("--source", &self.source)?,
        })
    }
}

impl SignatureFlags {
    fn to_request(&self) -> Result<SignatureRequirements, UpgradeError> {
        if let Some(key) = self.cosign_key.as_ref().filter(|key| key.is_empty() || key.starts_with('-')) {
            return Err(UpgradeError::CosignKey(key.clone()));
        }
        let (keyring, cosign_key) = (self.keyring.clone(), self.cosign_key.clone());
        Ok(SignatureRequirements { provenance: self.verify, keyring, cosign_key })
    }
}

impl ApplianceFlags {
    fn to_access(&self) -> Result<ApplianceAccess, UpgradeError> {
        let wrong = |url: &&String| {
            let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
            host.is_empty() || host.contains('/') || !(url.starts_with("http://") || url.starts_with("https://"))
        };
        if let Some(url) = self.registry_url.as_ref().filter(wrong) {
            return Err(UpgradeError::RegistryUrl(url.clone()));
        }
        Ok(ApplianceAccess { registry_url: self.registry_url.clone(), bundle: self.bundle.clone() })
    }
}

impl FluxManifestsFlags {
    /// The options of the generated manifests.
    #[must_use]
    pub fn to_options(&self) -> ManifestOptions {
        let secret = self.verify_secret.clone().unwrap_or_default();
        ManifestOptions {
            pin_digest: self.pin_digest,
            secret_ref: self.secret_ref.clone(),
            cert_secret_ref: self.cert_secret_ref.clone(),
            verify: self.verify_provider.clone().map(|provider| SourceVerification { provider, secret_name: secret }),
        }
    }
}

impl ResumeFlags {
    /// The upgrade of an interrupted run, with the cluster access, values and limits of these flags.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_ask(&self, run: &RunEntry) -> Result<UpgradeSpec, Problem> {
        let mut ask = run.request.to_upgrade_spec(RuntimeInputs {
            cluster: self.location.cluster.to_access()?,
            registry: self.registry.to_access(),
            values: self.values.to_values(),
            crds_values: self.values.crds.to_crds_values(),
            timeout: ask::parse_duration("--timeout", &self.run_flags.timeout)?,
            server_dry_runs: self.run_flags.needs_server_dry_runs(),
            waivers: waivers_file::read_waivers(self.run_flags.waivers.as_deref())?,
            check_images: !self.registry.skip_images,
            appliance: self.appliance.to_access()?,
        });
        let chart_overrides =
            [("--chart", &self.chart, &mut ask.app), ("--crds-chart", &self.crds_chart, &mut ask.crds)];
        for (flag, text, target) in chart_overrides {
            if let Some(text) = text {
                target.chart = parse_chart(flag, text)?;
            }
        }
        Ok(ask)
    }
}

impl RollbackFlags {
    /// The upgrade that the rollback reverts, with the cluster access and limits of these flags.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_ask(&self, run: &RunEntry) -> Result<UpgradeSpec, Problem> {
        let mut ask = run.request.to_upgrade_spec(RuntimeInputs {
            cluster: self.location.cluster.to_access()?,
            registry: RegistryAccess::default(),
            values: ValueOptions::default(),
            crds_values: ValueOptions::default(),
            timeout: ask::parse_duration("--timeout", &self.run_flags.timeout)?,
            server_dry_runs: true,
            waivers: waivers_file::read_waivers(self.run_flags.waivers.as_deref())?,
            check_images: false,
            appliance: ApplianceAccess::default(),
        });
        ask.helm_options.force_conflicts |= self.force_conflicts;
        Ok(ask)
    }
}

impl RepairFlags {
    /// The installation to repair, and the limits.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_spec(&self) -> Result<RepairSpec, Problem> {
        // A repair uses no waivers, but an unreadable file is still a usage error.
        waivers_file::read_waivers(self.run_flags.waivers.as_deref())?;
        Ok(RepairSpec {
            installation: self.installation.to_installation()?,
            mode: self.installation.to_mode(),
            timeout: ask::parse_duration("--timeout", &self.run_flags.timeout)?,
        })
    }
}

impl JournalLocationFlags {
    /// The location of the journal.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_location(&self) -> Result<JournalLocation, Problem> {
        Ok(JournalLocation {
            namespace: ask::parse_name("--namespace", &self.namespace, 63)?,
            cluster: self.cluster.to_access()?,
        })
    }
}

impl BackupFlags {
    /// The options of the backup; `None` with `--no-save`.
    #[must_use]
    pub fn to_request(&self) -> Option<BackupOptions> {
        let hook = |program: &String| BackupHook { program: program.clone(), args: self.save_hook_args.clone() };
        (!self.no_save).then(|| BackupOptions { hook: self.save_hook.as_ref().map(hook) })
    }
}

fn parse_chart(flag: &'static str, text: &str) -> Result<ChartRef, UpgradeError> {
    ChartRef::parse(text).map_err(|error| UpgradeError::ChartRef { flag, error })
}

impl HelmFlags {
    fn to_options(&self) -> HelmOptions {
        HelmOptions {
            post_renderer: self.post_renderer.clone(),
            post_renderer_args: self.post_renderer_args.clone(),
            no_hooks: self.no_hooks,
            history_max: self.history_max,
            server_side: self.server_side.map(ServerSideFlag::to_server_side),
            force_conflicts: self.force_conflicts,
        }
    }
}

impl ServerSideFlag {
    const fn to_server_side(self) -> ServerSide {
        match self {
            Self::Auto => ServerSide::Auto,
            Self::True => ServerSide::True,
            Self::False => ServerSide::False,
        }
    }
}

impl RunFlags {
    fn needs_server_dry_runs(&self) -> bool {
        self.to_write_mode().asks_server()
    }
}

impl InstallationFlags {
    /// The installation, with validated names.
    ///
    /// # Errors
    /// A usage error with the invalid flag.
    pub fn to_installation(&self) -> Result<Installation, Problem> {
        // helm allows 53 characters for a release, the API server 63 for a namespace.
        Ok(Installation {
            namespace: ask::parse_name("--namespace", &self.namespace, 63)?,
            crds_release: ask::parse_name("--crds-release", &self.crds_release, 53)?,
            app_release: ask::parse_name("--release", &self.release, 53)?,
            cluster: self.cluster.to_access()?,
        })
    }

    const fn to_mode(&self) -> OwnerMode {
        match self.mode {
            ModeFlag::Auto => OwnerMode::Auto,
            ModeFlag::Helm => OwnerMode::Helm,
            ModeFlag::Flux => OwnerMode::Flux,
            ModeFlag::Appliance => OwnerMode::Appliance,
        }
    }
}

impl RegistryFlags {
    fn to_access(&self) -> RegistryAccess {
        RegistryAccess {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            config: self.registry_config.clone(),
        }
    }
}

impl ReleaseValueFlags {
    fn to_values(&self) -> ValueOptions {
        let stored = match (self.reuse_values, self.reset_values, self.reset_then_reuse_values) {
            (true, _, _) => StoredValues::Reuse,
            (_, true, _) => StoredValues::Reset,
            (_, _, true) => StoredValues::ResetThenReuse,
            _ => StoredValues::HelmDefault,
        };
        ValueOptions { flags: self.given.to_flags(), stored }
    }
}
