//! The tokio runtime of a command.

use super::command_error::CommandError;
use crate::model::yaml::THREAD_STACK_BYTES;
use crate::problem::Problem;

/// Runs the work on a new runtime. Tasks that still run at the end are abandoned.
///
/// # Errors
/// The error of the work, or the runtime did not start.
pub fn block_on<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build();
    let runtime = runtime.map_err(CommandError::Runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
