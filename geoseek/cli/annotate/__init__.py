"""`geoseek annotate` and what belongs to it; this file only registers."""

from __future__ import annotations

import typer

from geoseek.cli.annotate import agreement, daily, exchange, invite, pull, push, review, serve, status

app = typer.Typer(
    name="annotate", invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
app.callback()(daily.annotate)
app.command("serve")(serve.serve)
app.command("stop")(serve.stop)
app.command("invite")(invite.invite)
app.command("dismiss")(invite.dismiss)
app.command("push")(push.push)
app.command("pull")(pull.pull)
app.command("status")(status.status)
app.command("agreement")(agreement.agreement)
app.add_typer(review.app)
app.command("import")(exchange.import_annotations)
app.command("export")(exchange.export_annotations)
app.command("restore")(exchange.restore_ledger)
