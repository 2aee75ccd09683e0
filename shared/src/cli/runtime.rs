//! The runtime on which a program's work is done.

use crate::model::yaml::THREAD_STACK_BYTES;
use crate::problem::Problem;

/// Runs to the end on a runtime of its own. What still runs then is left behind.
///
/// # Errors
/// That of the work; or the runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build();
    let runtime = runtime.map_err(|error| Problem::failure("cannot start").with_source(error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
