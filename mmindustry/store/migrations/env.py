"""What Alembic runs: the migrations, on the connection that `schema.upgrade` gives."""

from alembic import context

from mmindustry.store.tables import metadata


def run() -> None:
    """Run the migrations in the transaction of the connection given."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
