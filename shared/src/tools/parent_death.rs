//! Ends a child process with its parent, even if the parent is killed. Only Linux has such a signal (`PR_SET_PDEATHSIG`).
//!
//! On other systems, a helm that runs when the plugin is killed runs on. The lock of the run shows the next run that it is alive.

/// Whether the kernel can signal a child when its parent dies.
#[must_use]
pub const fn is_supported() -> bool {
    cfg!(target_os = "linux")
}

/// Requests SIGTERM for this process when `parent` dies. False: no signal would arrive, so this process must not continue.
#[cfg(target_os = "linux")]
pub(super) fn request_signal(parent: u32) -> bool {
    let requested = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    // The parent may have died before the request.
    requested.is_ok() && std::os::unix::process::parent_id() == parent
}

/// No such signal exists here.
#[cfg(not(target_os = "linux"))]
pub(super) fn request_signal(_parent: u32) -> bool {
    false
}
