/* `headgate serve`: starts the parts in order (config, catalog, dedup, journal, forwarder, listeners), waits for
 * signals, stops them in the opposite order. SIGTERM and SIGINT drain; SIGHUP reloads. A journal that failed for good
 * ends the process with 74: whoever supervises it starts it anew, and recovery judges what the disk has. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "command/erasure.h"
#include "command/replay.h"
#include "command/service.h"
#include "command/version.h"
#include "command/watch.h"
#include "forward/forwarder.h"
#include "holdings/audit_log.h"
#include "holdings/retention.h"
#include "http/server.h"
#include "journal/journal.h"
#include "privacy/suppression.h"

#define LAST_ANSWERS_MS 1000
#define SETTLE_LOOK_MS 10
#define DRAIN_LOOK_MS 2
#define LOOK_MS 1000

static int fatal_fd = -1;

/* Thread: a lane's. */
static void on_fatal(void *context, const struct error *err)
{
	struct service *service = context;
	log_error("journal_failed", "error=%s", err->message);
	atomic_store(&service->failed, true);
	(void)!eventfd_write(fatal_fd, 1);
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread starts: all inherit it */
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static uint32_t lane_count(const struct config *cfg)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t lanes = cfg->lanes ? cfg->lanes : (uint32_t)(cores > 0 ? cores : 1);
	return lanes > JOURNAL_LANES_MAX ? JOURNAL_LANES_MAX : lanes;
}

/* A folder that was there before may be open to others; its files are not, but their names and sizes are. One that
 * others share on purpose (sticky, as /tmp) or own is left as it is. */
static void close_to_others(const char *dir)
{
	struct stat info;
	if (stat(dir, &info) != 0 || (info.st_mode & 077) == 0)
		return;
	bool own = info.st_uid == geteuid() && !(info.st_mode & S_ISVTX);
	if (own && chmod(dir, 0700) == 0)
		log_info("data_dir_closed", "path=%s was=0%o", dir, info.st_mode & 07777);
	else
		log_warn("data_dir_open", "path=%s mode=0%o error=%s", dir, info.st_mode & 07777,
		         own ? strerror(errno) : "not this user's alone");
}

static bool open_store(struct service *service, uint32_t lanes, struct error *err)
{
	const struct config *cfg = service->boot->cfg;
	char dead_letters[1024];
	snprintf(dead_letters, sizeof dead_letters, "%.*s/events/%.*s", SLICE_ARG(cfg->data_dir),
	         SLICE_ARG(cfg->topics.rejected));
	const struct dedup_options dedup = { .memory_bytes = cfg->dedup.memory_bytes, .bucket_ms = DEDUP_BUCKET_MS };
	service->dedup = dedup_create(&dedup, err);
	if (!service->dedup || !file_make_dir(cfg->data_dir.at, err) ||
	    !dedup_recovery_init(&service->recovery, service->dedup, cfg->data_dir.at, err))
		return false;
	const struct journal_options options = {
		.dir = cfg->data_dir.at,
		.lanes = lanes,
		.sync_on_commit = cfg->durability == DURABILITY_DISK,
		.file_bytes = cfg->journal.file_bytes,
		.sync_interval_ms = cfg->journal.sync_interval_ms,
		.disk_budget_bytes = cfg->journal.disk_budget_bytes,
		.reserve_bytes = cfg->journal.reserve_bytes,
		.grace_ms = cfg->journal.grace_ms,
		.on_recovered = dedup_recovery_on_record,
		.has_index = dedup_recovery_has_index,
		.recovered_all = dedup_recovery_load,
		.write_index = dedup_recovery_write_index,
		.tend = dedup_recovery_tend,
		.dead_letter_dir = dead_letters,
		.context = &service->recovery,
	};
	service->journal = journal_open(&options, err);
	if (!service->journal)
		return false;
	close_to_others(cfg->data_dir.at);
	service->audit = audit_log_open(cfg->data_dir.at, journal_hash_key(service->journal), err);
	service->suppression = suppression_open(cfg->data_dir.at, journal_hash_key(service->journal), err);
	service->retention = retention_create(cfg, err);
	if (!service->audit || !service->suppression || !service->retention)
		return false;
	dedup_set_key(service->dedup, journal_hash_key(service->journal));
	return true;
}

static bool open_listeners(struct service *service, uint32_t lanes, struct error *err)
{
	const struct config *cfg = service->boot->cfg;
	const struct http_options http = { .cfg = cfg,
		                           .inherited_fd = service->inherited.public.fd,
		                           .journal = service->journal,
		                           .dedup = service->dedup,
		                           .suppression = service->suppression,
		                           .lanes = lanes,
		                           .on_fatal = on_fatal,
		                           .context = service };
	service->http = http_server_start(&http, err);
	if (!service->http)
		return false;
	const struct admin_options admin = { .listen = cfg->admin.listen,
		                             .inherited_fd = service->inherited.admin.fd,
		                             .token_file = cfg->admin.token_file,
		                             .hosts = cfg->admin.hosts,
		                             .context = service,
		                             .set_gauges = service_set_gauges,
		                             .readyz = service_is_ready,
		                             .status = service_status,
		                             .reload = service_reload,
		                             .find = erasure_find,
		                             .erase = erasure_erase,
		                             .unsuppress = erasure_unsuppress,
		                             .replay = replay_serve };
	service->admin = admin_start(&admin, err);
	return service->admin != NULL;
}

static void put_address(const char *name, struct config_address address, uint16_t port)
{
	bool is_v6 = slice_find(address.host, ':') < address.host.len;
	printf("%s %s%.*s%s:%u", name, is_v6 ? "[" : "", SLICE_ARG(address.host), is_v6 ? "]" : "", port);
}

static void announce(const struct service *service)
{
	const struct config *cfg = service->boot->cfg;
	put_address("listening public", cfg->listen, http_server_port(service->http));
	put_address(" admin", cfg->admin.listen, admin_port(service->admin));
	printf("\n");
	fflush(stdout);
	log_info("started", "version=%s durability=%s lanes=%u log_id=%s", version_text(),
	         durability_name(cfg->durability), lane_count(cfg), journal_log_id(service->journal));
}

static bool take_signal(struct service *service, int signal_fd)
{
	struct signalfd_siginfo info;
	bool stop = false;
	while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		struct error err = { 0 };
		if (info.ssi_signo == SIGHUP)
			(void)service_reload(service, &err);
		else
			stop = true;
	}
	return stop;
}

/* A sync that fails in the background (durability `os`) leaves no lane with anything to commit, so none would tell. */
static void look_at_journal(struct service *service)
{
	struct journal_stats stats;
	journal_stats(service->journal, &stats);
	if (stats.failed)
		atomic_store(&service->failed, true);
}

static void delete_expired(struct service *service)
{
	struct snapshot *snap = snapshot_current();
	if (snap)
		retention_run(service->retention, snap->cfg, service->audit);
	snapshot_release(&snap);
}

/* Watches what the current configuration wants watched, if that is not so already. A watch that cannot be had is no
 * reason to stop: reloading by hand is still there. */
static void set_watch(struct watch *watch, bool anew)
{
	struct error err = { 0 };
	struct snapshot *snap = snapshot_current();
	struct slice dir = snap && snap->cfg->catalog.watch ? snap->cfg->catalog.dir : SLICE_NONE;
	if ((anew || !slice_equal(dir, slice_of(watch->dir))) && !watch_set(watch, dir, &err))
		log_warn("catalog_not_watched", "error=%s", err.message);
	snapshot_release(&snap);
}

/* Watches anew before it reads: what changes in between is noticed again. */
static void follow_catalog(struct service *service, struct watch *watch)
{
	struct error err = { 0 };
	set_watch(watch, true);
	(void)service_reload(service, &err);
}

static int sooner_ms(int due_ms)
{
	return due_ms >= 0 && due_ms < LOOK_MS ? due_ms : LOOK_MS;
}

static void wait_for_end(struct service *service, int signal_fd)
{
	struct watch watch;
	uint64_t generation = 0;
	watch_init(&watch);
	while (!atomic_load(&service->failed)) {
		if (generation != snapshot_generation()) { /* whoever reloaded may have moved the folder */
			generation = snapshot_generation();
			set_watch(&watch, false);
		}
		struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
			                { .fd = fatal_fd, .events = POLLIN },
			                { .fd = watch.fd, .events = POLLIN } };
		int ready = poll(fds, 3, sooner_ms(watch_due_ms(&watch, clock_monotonic_ms())));
		if (ready > 0 && (fds[0].revents & POLLIN) && take_signal(service, signal_fd))
			break;
		if (ready > 0 && (fds[2].revents & POLLIN))
			watch_read(&watch, clock_monotonic_ms());
		if (watch_due_ms(&watch, clock_monotonic_ms()) == 0)
			follow_catalog(service, &watch);
		look_at_journal(service);
		delete_expired(service);
	}
	watch_fini(&watch);
}

/* Waits for what is under way, until the deadline, or a second signal: whoever sends that will not wait. Probes and
 * /status answer as long as there is something to wait for. */
static void drain(struct service *service, int signal_fd, int64_t end_ms)
{
	bool hurry = false;
	http_server_drain_begin(service->http);
	while (!hurry && !http_server_is_empty(service->http) && clock_monotonic_ms() < end_ms) {
		poll(NULL, 0, DRAIN_LOOK_MS);
		hurry = take_signal(service, signal_fd);
	}
	http_server_cut(service->http);
	while (!hurry && !atomic_load(&service->failed) && !forwarder_has_settled(service->forwarder) &&
	       clock_monotonic_ms() < end_ms) {
		poll(NULL, 0, SETTLE_LOOK_MS);
		hurry = take_signal(service, signal_fd);
	}
	service->hurried = hurry;
	if (hurry)
		log_info("drain_hurried", "%s", "");
}

static void close_all(struct service *service, int signal_fd)
{
	bool failed = atomic_load(&service->failed);
	const int deadline_ms = failed          ? LAST_ANSWERS_MS
	                        : service->boot ? (int)service->boot->cfg->drain_timeout_ms
	                                        : 0;
	int64_t end_ms = clock_monotonic_ms() + deadline_ms;
	atomic_store(&service->draining, true);
	if (service->http && service->forwarder)
		drain(service, signal_fd, end_ms);
	if (service->forwarder)
		forwarder_cancel_replay(service->forwarder); /* the admin listener waits for its tasks */
	admin_stop(&service->admin);                         /* it asks the parts that go away below */
	http_server_stop(&service->http);
	int64_t left_ms = end_ms - clock_monotonic_ms();
	forwarder_stop(&service->forwarder, failed || service->hurried || left_ms < 0 ? 0 : (int)left_ms);
	snapshot_publish(NULL);
	journal_close(&service->journal);
	dedup_recovery_fini(&service->recovery);
	dedup_destroy(&service->dedup);
	retention_destroy(&service->retention);
	audit_log_close(&service->audit);
	suppression_close(&service->suppression);
	snapshot_release(&service->boot);
}

static bool open_all(struct service *service, struct error *err)
{
	struct config *cfg = config_load(&service->options, err);
	if (!cfg)
		return false;
	log_init(cfg->log_level, cfg->log_format);
	service->boot = snapshot_load(cfg, err);
	if (!service->boot)
		return false;
	if (!service_set_zone(service->boot->cfg, err))
		return false;
	uint32_t lanes = lane_count(service->boot->cfg);
	snapshot_publish(snapshot_acquire(service->boot));
	if (!open_store(service, lanes, err) || !audit_log_note_recovery(service->audit, service->journal, err))
		return false;
	service->forwarder = forwarder_start(service->journal, service->boot->cfg, err);
	return service->forwarder && open_listeners(service, lanes, err);
}

/* What was handed over is where this process listens, whatever configuration and command line say. */
static bool take_sockets(struct service *service, struct error *err)
{
	if (!inherited_take(&service->inherited, err))
		return false;
	if (service->inherited.public.fd)
		service->options.listen = service->inherited.public.address;
	if (service->inherited.admin.fd)
		service->options.admin = service->inherited.admin.address;
	return true;
}

int command_serve(const struct config_options *options)
{
	struct service service = { .options = *options,
		                   .started_ms = clock_wall_ms(),
		                   .reload_mutex = PTHREAD_MUTEX_INITIALIZER };
	struct error err = { 0 };
	int signal_fd = open_signals();
	fatal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	metrics_register_thread();
	if (signal_fd < 0 || fatal_fd < 0 || sodium_init() < 0) {
		log_error("start_failed", "%s", "error=\"signalfd, eventfd or libsodium\"");
		return error_exit_code(ERROR_OS);
	}
	bool opened = take_sockets(&service, &err) && open_all(&service, &err);
	if (opened) {
		announce(&service);
		wait_for_end(&service, signal_fd);
	} else {
		log_error("start_failed", "error=%s", err.message);
	}
	bool failed = atomic_load(&service.failed);
	close_all(&service, signal_fd);
	close(signal_fd);
	close(fatal_fd);
	if (!opened)
		return error_exit_code(err.code);
	log_info("stopped", "failed=%d", failed);
	return failed ? error_exit_code(ERROR_SYNC_LOST) : 0;
}
