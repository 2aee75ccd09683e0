//! Renders a chart with the answers of the API server if its templates call `lookup`, otherwise without the cluster.
//!
//! helm answers `lookup` in an upgrade. A plan that renders without it shows a kept password as changed, and fails with every chart
//! that requires an object. Where the API server cannot be asked, the forecast says so.

use crate::model::chart::ValuesSchemaError;
use crate::model::chart_lookup::{LookupSource, uses_lookup};
use crate::model::fetched_chart::FetchedChart;
use crate::tools::error::{ToolError, ToolFailure};
use crate::tools::helm::{Helm, RenderedTemplate, TemplateArgs, TemplateLookups};
use crate::tools::helm_output::{self, ServerRenderFailure};

/// Whether the CRD chart of the same run brings API versions that the server does not serve yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewKinds {
    /// All are served.
    None,
    /// Some come with the CRDs. helm 4 cannot render with them and with lookups.
    Some,
}

/// A rendered chart, and what answered its lookups.
pub(super) struct LookedUpTemplate {
    pub(super) template: RenderedTemplate,
    /// What the schema of the values refuses.
    pub(super) schema_refusals: Vec<ValuesSchemaError>,
    pub(super) lookups: LookupSource,
}

/// Renders a chart.
///
/// # Errors
/// The chart renders neither with lookups nor without them.
pub(super) async fn render(
    helm: &Helm,
    args: &TemplateArgs<'_>,
    fetched: &FetchedChart,
    new_kinds: NewKinds,
) -> Result<LookedUpTemplate, ToolFailure> {
    let with = |lookups| TemplateArgs { lookups, ..*args };
    if !uses_lookup(&fetched.files) {
        let rendered = render_without_schema(helm, &with(TemplateLookups::Nothing)).await;
        return match rendered {
            Ok((template, schema_refusals)) => {
                Ok(LookedUpTemplate { template, schema_refusals, lookups: LookupSource::NotUsed })
            }
            Err(error) => Err(build_render_failure(fetched, error)),
        };
    }
    let answered = render_without_schema(helm, &with(TemplateLookups::Server)).await;
    let (reason, server_error) = match answered {
        Ok((template, schema_refusals)) if new_kinds == NewKinds::None => {
            return Ok(LookedUpTemplate { template, schema_refusals, lookups: LookupSource::Server });
        }
        Ok(answered) => return Ok(prefer_new_kinds(helm, &with(TemplateLookups::Nothing), answered).await),
        Err(error) => (summarize(&error), error),
    };
    match render_without_schema(helm, &with(TemplateLookups::Nothing)).await {
        Ok((template, schema_refusals)) => {
            Ok(LookedUpTemplate { template, schema_refusals, lookups: LookupSource::Nothing(reason) })
        }
        Err(_) => Err(build_lookup_failure(fetched, server_error)),
    }
}

/// helm 4 renders with lookups only for the API versions that are served now, so what the new CRDs allow is missing: without lookups,
/// the forecast has it.
async fn prefer_new_kinds(
    helm: &Helm,
    args: &TemplateArgs<'_>,
    (with_lookups, schema_refusals): (RenderedTemplate, Vec<ValuesSchemaError>),
) -> LookedUpTemplate {
    let without = render_without_schema(helm, args).await.ok();
    let has_more = |without: &RenderedTemplate| without.objects.len() > with_lookups.objects.len();
    match without.filter(|(without, _)| has_more(without)) {
        Some((template, schema_refusals)) => {
            let reason = "the API server does not serve the kinds of the new CRDs yet".to_owned();
            LookedUpTemplate { template, schema_refusals, lookups: LookupSource::Nothing(reason) }
        }
        None => LookedUpTemplate { template: with_lookups, schema_refusals, lookups: LookupSource::Server },
    }
}

/// Renders a chart. If its schema rejects the values, renders it without the schema, so that all problems are reported at once;
/// a guard refuses.
async fn render_without_schema(
    helm: &Helm,
    args: &TemplateArgs<'_>,
) -> Result<(RenderedTemplate, Vec<ValuesSchemaError>), ToolError> {
    let error = match helm.template(args).await {
        Ok(rendered) => return Ok((rendered, Vec::new())),
        Err(error) => error,
    };
    let refusals = helm_output::parse_values_schema_errors(error.stderr());
    if refusals.is_empty() {
        return Err(error);
    }
    let passed = [args.extra_args, &["--skip-schema-validation".to_owned()]].concat();
    let without = helm.template(&TemplateArgs { extra_args: &passed, ..*args }).await;
    Ok((without.map_err(|_| error)?, refusals))
}

/// The last line of helm's message.
fn summarize(error: &ToolError) -> String {
    let line = error.stderr().lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(|| error.to_string(), |line| line.trim().trim_start_matches("Error: ").to_owned())
}

fn build_render_failure(fetched: &FetchedChart, error: ToolError) -> ToolFailure {
    let chart = &fetched.chart;
    error
        .into_failure(format!("the chart {} {} does not render", chart.name, chart.version))
        .with_hint("fix what helm reports: the values, or an object that the chart looks up")
}

/// The chart renders neither way. helm's message with lookups is the one that the upgrade would give.
fn build_lookup_failure(fetched: &FetchedChart, error: ToolError) -> ToolFailure {
    let chart = &fetched.chart;
    let hint = match helm_output::read_server_render_failure(error.stderr()) {
        ServerRenderFailure::UnservedKind => {
            "upgrade the CRD chart alone first: leave out --to and --chart. helm 4 renders a chart that uses lookup only after its \
             kinds are served"
        }
        ServerRenderFailure::Forbidden => {
            "ask for `get` and `list` on the objects that the chart looks up, or run as another user with --as or --context"
        }
        ServerRenderFailure::Other => "correct what helm's message names: the chart looks it up on the cluster",
    };
    let name = format!("the chart {} {}, which uses lookup, does not render", chart.name, chart.version);
    error.into_failure(name).with_hint(hint)
}
