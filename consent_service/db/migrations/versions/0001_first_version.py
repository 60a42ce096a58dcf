"""Every table of the first version.

Revision: 0001. Follows: .
"""
# ruff: noqa: PLR0915  # one statement for each table of the first version

import sqlalchemy as sa
from alembic import op

from consent_service.db.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_decisions",
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("ruling", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("decided_by", sa.String(length=40), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_decisions")),
    )
    with op.batch_alter_table("case_decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_case_decisions_decided_at"), ["decided_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_case_decisions_subject_id"), ["subject_id"], unique=False)

    op.create_table(
        "clip_withdrawals",
        sa.Column("grant_id", sa.String(length=40), nullable=False),
        sa.Column("affected", sa.Integer(), nullable=False),
        sa.Column("handled_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_clip_withdrawals")),
    )
    op.create_table(
        "clips",
        sa.Column("clip_id", sa.String(length=40), nullable=False),
        sa.Column("relying_party_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("declaration", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("source", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("watermark", sa.LargeBinary(length=8), nullable=True),
        sa.Column("checks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("scan", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("marks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("output", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reasons", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("manifest_id", sa.String(length=200), nullable=True),
        sa.Column("published", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("log_index", sa.Integer(), nullable=True),
        sa.Column("consent", sa.String(length=20), nullable=True),
        sa.Column("case_id", sa.String(length=40), nullable=True),
        sa.Column("ruling", sa.String(length=20), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_clips")),
        sa.UniqueConstraint("case_id", name=op.f("uq_clips_case_id")),
        sa.UniqueConstraint("watermark", name=op.f("uq_clips_watermark")),
    )
    with op.batch_alter_table("clips", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clips_relying_party_id"), ["relying_party_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_clips_state"), ["state"], unique=False)

    op.create_table(
        "grant_status_entries",
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "index", name=op.f("pk_grant_status_entries")),
    )
    with op.batch_alter_table("grant_status_entries", schema=None) as batch_op:
        batch_op.create_index("ix_grant_status_entries_listed", ["shard", "status", "index"], unique=False)

    op.create_table(
        "grant_status_shards",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_grant_status_shards")),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("likeness_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("relying_party_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("status_shard", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("record", sa.String(), nullable=False),
        sa.Column("receipt_sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint("status_shard", "status_index", name=op.f("uq_grants_status_shard_status_index")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index("ix_grants_check", ["likeness_id", "relying_party_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_grants_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_grants_relying_party_id"), ["relying_party_id"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("principal_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.String(length=40), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("principal_id", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_claimed_at"), ["claimed_at"], unique=False)

    op.create_table(
        "job_requests",
        sa.Column("job_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("arguments", sa.String(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_requests")),
    )
    with op.batch_alter_table("job_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_requests_requested_at"), ["requested_at"], unique=False)

    op.create_table(
        "log_entries",
        sa.Column(
            "index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_entries")),
    )
    with op.batch_alter_table("log_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_entries_kind"), ["kind"], unique=False)

    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_nodes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "person_keys",
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person_keys")),
    )
    op.create_table(
        "principals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("created_by", sa.String(length=40), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principals")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("principal_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["principal_id"], ["principals.id"], name=op.f("fk_api_keys_principal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_principal_id"), ["principal_id"], unique=False)

    op.create_table(
        "challenges",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("digits", sa.String(length=12), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["principals.id"], name=op.f("fk_challenges_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
        sa.UniqueConstraint("used_by", name=op.f("uq_challenges_used_by")),
    )
    with op.batch_alter_table("challenges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_challenges_person_id"), ["person_id"], unique=False)

    op.create_table(
        "clip_grants",
        sa.Column("clip_id", sa.String(length=40), nullable=False),
        sa.Column("grant_id", sa.String(length=40), nullable=False),
        sa.Column("likeness_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.clip_id"], name=op.f("fk_clip_grants_clip_id")),
        sa.PrimaryKeyConstraint("clip_id", "grant_id", name=op.f("pk_clip_grants")),
    )
    with op.batch_alter_table("clip_grants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clip_grants_grant_id"), ["grant_id"], unique=False)

    op.create_table(
        "clip_parents",
        sa.Column("clip_id", sa.String(length=40), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.clip_id"], name=op.f("fk_clip_parents_clip_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["clips.clip_id"], name=op.f("fk_clip_parents_parent_id")),
        sa.PrimaryKeyConstraint("clip_id", "parent_id", name=op.f("pk_clip_parents")),
    )
    with op.batch_alter_table("clip_parents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clip_parents_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "likenesses",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("enrolled_at", UtcDateTime(), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=True),
        sa.Column("sealed_face", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_voice", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["principals.id"], name=op.f("fk_likenesses_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_likenesses")),
        sa.UniqueConstraint("person_id", name=op.f("uq_likenesses_person_id")),
    )
    op.create_table(
        "manifests",
        sa.Column("manifest_id", sa.String(length=200), nullable=False),
        sa.Column("clip_id", sa.String(length=40), nullable=False),
        sa.Column("watermark", sa.LargeBinary(length=8), nullable=False),
        sa.Column("prefix", sa.LargeBinary(length=5), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.clip_id"], name=op.f("fk_manifests_clip_id")),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_manifests")),
        sa.UniqueConstraint("clip_id", name=op.f("uq_manifests_clip_id")),
        sa.UniqueConstraint("watermark", name=op.f("uq_manifests_watermark")),
    )
    with op.batch_alter_table("manifests", schema=None) as batch_op:
        batch_op.create_index("ix_manifests_prefix", ["prefix"], unique=False)

    op.create_table(
        "webhook_endpoints",
        sa.Column("relying_party_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("wrapped_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("gone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["relying_party_id"], ["principals.id"], name=op.f("fk_webhook_endpoints_relying_party_id")
        ),
        sa.PrimaryKeyConstraint("relying_party_id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "cameos",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("challenge_id", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("likeness_id", sa.String(length=40), nullable=True),
        sa.Column("sealed_signature", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_face", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_voice", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenges.id"], name=op.f("fk_cameos_challenge_id")),
        sa.ForeignKeyConstraint(["person_id"], ["principals.id"], name=op.f("fk_cameos_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cameos")),
        sa.UniqueConstraint("challenge_id", name=op.f("uq_cameos_challenge_id")),
    )
    with op.batch_alter_table("cameos", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cameos_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_cameos_sha256"), ["sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_cameos_status"), ["status"], unique=False)

    op.create_table(
        "webhook_events",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("relying_party_id", sa.String(length=40), nullable=False),
        sa.Column("event_type", sa.String(length=60), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("last_failure", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["relying_party_id"],
            ["webhook_endpoints.relying_party_id"],
            name=op.f("fk_webhook_events_relying_party_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_events_due_at"), ["due_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_webhook_events_relying_party_id"), ["relying_party_id"], unique=False
        )


def downgrade() -> None:
    # A table takes its indexes with it.
    for table in (
        "webhook_events",
        "cameos",
        "webhook_endpoints",
        "manifests",
        "likenesses",
        "clip_parents",
        "clip_grants",
        "challenges",
        "api_keys",
        "principals",
        "person_keys",
        "log_nodes",
        "log_head",
        "log_entries",
        "job_requests",
        "idempotency_keys",
        "grants",
        "grant_status_shards",
        "grant_status_entries",
        "clips",
        "clip_withdrawals",
        "case_decisions",
    ):
        op.drop_table(table)
