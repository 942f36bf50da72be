CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE operations (
	id VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	labels JSON NOT NULL,
	request BLOB NOT NULL,
	state VARCHAR NOT NULL,
	cancel_requested BOOLEAN NOT NULL,
	create_time BIGINT NOT NULL,
	start_time BIGINT,
	update_time BIGINT NOT NULL,
	end_time BIGINT,
	expire_time BIGINT,
	attempt INTEGER NOT NULL,
	worker VARCHAR,
	lease_until BIGINT,
	losses INTEGER NOT NULL,
	max_attempts INTEGER NOT NULL,
	provider VARCHAR NOT NULL,
	last_sequence BIGINT NOT NULL,
	output_characters BIGINT NOT NULL,
	usage BLOB,
	response BLOB,
	error BLOB, target VARCHAR DEFAULT '' NOT NULL, priority INTEGER DEFAULT '0' NOT NULL, ttl BIGINT, request_id VARCHAR, request_hash BLOB, handbacks INTEGER DEFAULT '0' NOT NULL, trace VARCHAR, keep_request BOOLEAN DEFAULT 0 NOT NULL, note VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE secrets (
	name VARCHAR NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE output_log (
	operation_id VARCHAR NOT NULL,
	first_sequence BIGINT NOT NULL,
	last_sequence BIGINT NOT NULL,
	events BLOB NOT NULL,
	PRIMARY KEY (operation_id, first_sequence)
);
CREATE INDEX operations_by_owner ON operations (owner, create_time, id);
CREATE UNIQUE INDEX operations_by_request_id ON operations (owner, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX operations_queued ON operations (priority DESC, create_time, id, target) WHERE state = 'QUEUED';
CREATE INDEX operations_running ON operations (lease_until, target) WHERE state = 'RUNNING';
CREATE INDEX operations_by_expiry ON operations (expire_time, state) WHERE expire_time IS NOT NULL;
CREATE TABLE limit_counters (
	scope VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	window_start BIGINT NOT NULL,
	used BIGINT NOT NULL,
	reserved BIGINT NOT NULL,
	level FLOAT NOT NULL,
	updated BIGINT NOT NULL,
	PRIMARY KEY (scope, kind, window_start)
);
CREATE TABLE allowances (
	worker VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	window_start BIGINT NOT NULL,
	granted BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	PRIMARY KEY (worker, scope, kind, window_start)
);
CREATE INDEX allowances_by_lease ON allowances (lease_until);
CREATE TABLE usage (
	call_id VARCHAR NOT NULL,
	attempt INTEGER NOT NULL,
	time BIGINT NOT NULL,
	"key" VARCHAR NOT NULL,
	team VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	provider VARCHAR NOT NULL,
	served_model VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	requests INTEGER NOT NULL,
	input BIGINT NOT NULL,
	cached BIGINT NOT NULL,
	cache_write BIGINT NOT NULL,
	output BIGINT NOT NULL,
	reasoning BIGINT NOT NULL,
	cost BIGINT,
	price_version VARCHAR NOT NULL,
	estimated BOOLEAN NOT NULL,
	outcome VARCHAR NOT NULL,
	labels_hash BLOB NOT NULL,
	PRIMARY KEY (call_id, attempt)
);
CREATE INDEX usage_by_time ON usage (time, call_id, attempt);
CREATE INDEX usage_by_key ON usage ("key", time, call_id, attempt);
CREATE TABLE usage_hourly (
	hour BIGINT NOT NULL,
	"key" VARCHAR NOT NULL,
	team VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	provider VARCHAR NOT NULL,
	served_model VARCHAR NOT NULL,
	requests BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	input BIGINT NOT NULL,
	cached BIGINT NOT NULL,
	cache_write BIGINT NOT NULL,
	output BIGINT NOT NULL,
	reasoning BIGINT NOT NULL,
	cost BIGINT NOT NULL,
	unpriced BIGINT NOT NULL,
	estimated BIGINT NOT NULL,
	PRIMARY KEY (hour, "key", team, model, provider, served_model)
);
CREATE INDEX operations_queued_by_owner ON operations (owner, priority DESC, create_time, id, target) WHERE state = 'QUEUED';
CREATE TABLE workers (
	id VARCHAR NOT NULL,
	host VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	roles VARCHAR NOT NULL,
	draining BOOLEAN NOT NULL,
	in_flight INTEGER NOT NULL,
	operations INTEGER NOT NULL,
	capacity INTEGER NOT NULL,
	started BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	PRIMARY KEY (id)
);
