//! From flags to what the user wants, validated.

use mural::ask::{
    self, Allowed, ApplianceAccess, Ask, HelmOptions, Installation, Mode, RegistryAccess, ServerSide, SourceNames,
    StoredValues, Target, ValueFlag, Values,
};
use mural::model::chart::ChartRef;
use mural::model::flux::Verify;
use mural::model::secret::Hidden;
use mural::model::signature::SignatureAsked;
use mural::plan::journal::RunEntry;
use mural::plan::saved::{Anew, SavedPlan};
use mural::prepare::flux_manifests::ManifestOptions;
use mural::prepare::manifests;
use mural::problem::Problem;
use mural::run::save::{Hook, SaveAsked};

use super::{
    ApplianceFlags, ApplyFlags, DryRun, FluxManifestsFlags, HelmFlags, MannerFlags, ModeFlag, OwnerFlags, PlaceFlags,
    RegistryFlags, RepairFlags, ResumeFlags, RollbackFlags, SaveFlags, ServerSideFlag, SignatureFlags, SpotFlags,
    UpgradeFlags, ValueFlags,
};

impl UpgradeFlags {
    /// What the user wants, validated.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self) -> Result<Ask, Problem> {
        let installation = self.place.installation()?;
        let (crds_release, app_release) = (installation.crds_release.clone(), installation.app_release.clone());
        Ok(Ask {
            crds: Target {
                release: crds_release,
                chart: chart("--crds-chart", &self.crds_chart)?,
                version: self.crds.clone(),
            },
            app: Target { release: app_release, chart: chart("--chart", &self.chart)?, version: self.to.clone() },
            installation,
            mode: self.place.mode(),
            values: self.values.values(),
            registry: self.registry.access(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            allowed: self.allowed(),
            server_dry_runs: self.manner.server_dry_runs(),
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
            images: !self.registry.skip_images,
            helm: self.helm.options(),
            appliance: self.owners.appliance.access()?,
            sources: self.owners.sources()?,
            signature: self.signature.asked()?,
        })
    }

    const fn allowed(&self) -> Allowed {
        Allowed {
            downgrade: self.allow_downgrade,
            foreign_downgrade: self.allow_foreign_downgrade,
            keep_crds: self.keep_crds,
            migrate: self.migrate,
            take_ownership: self.helm.take_ownership,
        }
    }
}

impl ApplyFlags {
    /// What a saved plan asked for, with what is given anew.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self, saved: &SavedPlan) -> Result<Ask, Problem> {
        Ok(saved.ask(Anew {
            cluster: self.cluster.access()?,
            registry: self.registry.access(),
            values: self.values.values(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            server_dry_runs: self.manner.server_dry_runs(),
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
            images: !self.registry.skip_images,
            appliance: self.appliance.access()?,
        }))
    }
}

impl OwnerFlags {
    fn sources(&self) -> Result<SourceNames, Problem> {
        // An object's name may have 253 characters, and Flux's have no dots in practice; dots are let through.
        let named = |flag: &str, text: &Option<String>| match text {
            Some(text) => ask::name(flag, &text.replace('.', "-"), 253).map(|_| Some(text.clone())),
            None => Ok(None),
        };
        Ok(SourceNames { crds: named("--crds-source", &self.crds_source)?, app: named("--source", &self.source)? })
    }
}

impl SignatureFlags {
    fn asked(&self) -> Result<SignatureAsked, Problem> {
        if let Some(key) = self.cosign_key.as_ref().filter(|key| key.is_empty() || key.starts_with('-')) {
            return Err(Problem::usage(format!("--cosign-key {key:?} is no key")).hint(
                "name a file with the public key, or a key as cosign names it: cosign.pub, k8s://NAMESPACE/SECRET",
            ));
        }
        let (keyring, cosign_key) = (self.keyring.clone(), self.cosign_key.clone());
        Ok(SignatureAsked { provenance: self.verify, keyring, cosign_key })
    }
}

impl ApplianceFlags {
    fn access(&self) -> Result<ApplianceAccess, Problem> {
        let wrong = |url: &&String| {
            let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
            host.is_empty() || host.contains('/') || !(url.starts_with("http://") || url.starts_with("https://"))
        };
        if let Some(url) = self.registry_url.as_ref().filter(wrong) {
            return Err(Problem::usage(format!("--registry-url {url:?} is no address of a registry"))
                .hint("write it like http://127.0.0.1:5000 or https://registry.example.com"));
        }
        Ok(ApplianceAccess { registry_url: self.registry_url.clone(), bundle: self.bundle.clone() })
    }
}

impl FluxManifestsFlags {
    /// How the manifests are made.
    #[must_use]
    pub fn options(&self) -> ManifestOptions {
        let secret = self.verify_secret.clone().unwrap_or_default();
        ManifestOptions {
            pin: self.pin_digest,
            secret_ref: self.secret_ref.clone(),
            cert_secret_ref: self.cert_secret_ref.clone(),
            verify: self.verify_provider.clone().map(|provider| Verify { provider, secret }),
        }
    }
}

impl ResumeFlags {
    /// What a run asked for that was cut off, with what is given anew.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self, run: &RunEntry) -> Result<Ask, Problem> {
        let mut ask = run.asked.ask(Anew {
            cluster: self.spot.cluster.access()?,
            registry: self.registry.access(),
            values: self.values.values(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            server_dry_runs: self.manner.server_dry_runs(),
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
            images: !self.registry.skip_images,
            appliance: self.appliance.access()?,
        });
        let named = [("--chart", &self.chart, &mut ask.app), ("--crds-chart", &self.crds_chart, &mut ask.crds)];
        for (flag, text, target) in named {
            if let Some(text) = text {
                target.chart = chart(flag, text)?;
            }
        }
        Ok(ask)
    }
}

impl RollbackFlags {
    /// What a run asked for that is to be undone, as far as going back needs it.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self, run: &RunEntry) -> Result<Ask, Problem> {
        let mut ask = run.asked.ask(Anew {
            cluster: self.spot.cluster.access()?,
            registry: RegistryAccess::default(),
            values: Values::default(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            server_dry_runs: true,
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
            images: false,
            appliance: ApplianceAccess::default(),
        });
        ask.helm.force_conflicts |= self.force_conflicts;
        Ok(ask)
    }
}

impl RepairFlags {
    /// Which installation is mended; no chart is asked for.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self) -> Result<Ask, Problem> {
        let installation = self.place.installation()?;
        let none = |release: &str| Target {
            release: release.to_owned(),
            chart: ChartRef::Oci { repository: "none".to_owned(), digest: None },
            version: None,
        };
        Ok(Ask {
            crds: none(&installation.crds_release),
            app: none(&installation.app_release),
            installation,
            mode: self.place.mode(),
            values: Values::default(),
            registry: RegistryAccess::default(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            allowed: Allowed::default(),
            server_dry_runs: true,
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
            images: false,
            helm: HelmOptions::default(),
            appliance: ApplianceAccess::default(),
            sources: SourceNames::default(),
            signature: SignatureAsked::default(),
        })
    }
}

impl SpotFlags {
    /// Where the journal is. Names of releases stand in it.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn installation(&self) -> Result<Installation, Problem> {
        Ok(Installation {
            namespace: ask::name("--namespace", &self.namespace, 63)?,
            crds_release: String::new(),
            app_release: String::new(),
            cluster: self.cluster.access()?,
        })
    }
}

impl SaveFlags {
    /// What is saved before the first write.
    #[must_use]
    pub fn asked(&self) -> Option<SaveAsked> {
        let hook = |program: &String| Hook { program: program.clone(), args: self.save_hook_args.clone() };
        (!self.no_save).then(|| SaveAsked { hook: self.save_hook.as_ref().map(hook) })
    }
}

fn chart(flag: &str, text: &str) -> Result<ChartRef, Problem> {
    ChartRef::parse(text).map_err(|error| {
        Problem::usage(format!("{flag} {error}"))
            .hint("give oci://host/path, oci://host/path@sha256:…, a folder, or a .tgz file")
    })
}

impl HelmFlags {
    fn options(&self) -> HelmOptions {
        HelmOptions {
            post_renderer: self.post_renderer.clone(),
            post_renderer_args: self.post_renderer_args.clone(),
            no_hooks: self.no_hooks,
            history_max: self.history_max,
            server_side: self.server_side.map(ServerSideFlag::option),
            force_conflicts: self.force_conflicts,
        }
    }
}

impl ServerSideFlag {
    const fn option(self) -> ServerSide {
        match self {
            Self::Auto => ServerSide::Auto,
            Self::True => ServerSide::True,
            Self::False => ServerSide::False,
        }
    }
}

impl MannerFlags {
    fn server_dry_runs(&self) -> bool {
        self.dry_run != Some(DryRun::Client)
    }
}

impl PlaceFlags {
    /// Which installation, its names checked.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn installation(&self) -> Result<Installation, Problem> {
        // helm allows 53 characters for a release, the API server 63 for a namespace.
        Ok(Installation {
            namespace: ask::name("--namespace", &self.namespace, 63)?,
            crds_release: ask::name("--crds-release", &self.crds_release, 53)?,
            app_release: ask::name("--release", &self.release, 53)?,
            cluster: self.cluster.access()?,
        })
    }

    const fn mode(&self) -> Mode {
        match self.mode {
            ModeFlag::Auto => Mode::Auto,
            ModeFlag::Helm => Mode::Helm,
            ModeFlag::Flux => Mode::Flux,
            ModeFlag::Appliance => Mode::Appliance,
        }
    }
}

impl RegistryFlags {
    fn access(&self) -> RegistryAccess {
        RegistryAccess {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            config: self.registry_config.clone(),
        }
    }
}

impl ValueFlags {
    fn values(&self) -> Values {
        let hidden = |all: &[String], make: fn(Hidden<String>) -> ValueFlag| -> Vec<ValueFlag> {
            all.iter().map(|text| make(Hidden::new(text.clone()))).collect()
        };
        // helm merges files first, then JSON, --set, --set-string and --set-file, whatever their order on the line.
        let files = self.values.iter().map(|file| ValueFlag::File(file.clone()));
        let flags = files
            .chain(hidden(&self.set_json, ValueFlag::SetJson))
            .chain(hidden(&self.set, ValueFlag::Set))
            .chain(hidden(&self.set_string, ValueFlag::SetString))
            .chain(hidden(&self.set_file, ValueFlag::SetFile))
            .collect();
        let stored = match (self.reuse_values, self.reset_values, self.reset_then_reuse_values) {
            (true, _, _) => StoredValues::Reuse,
            (_, true, _) => StoredValues::Reset,
            (_, _, true) => StoredValues::ResetThenReuse,
            _ => StoredValues::HelmDefault,
        };
        Values { flags, stored }
    }
}
