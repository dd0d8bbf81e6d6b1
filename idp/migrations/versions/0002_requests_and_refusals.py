"""A service provider's registration may demand signed requests, and want to learn of refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "service_provider",
        sa.Column("requests", sa.String(length=20), server_default="any", nullable=False),
    )
    op.add_column(
        "service_provider",
        sa.Column("refusals", sa.String(length=20), server_default="page", nullable=False),
    )
