"""The objective that a run's settings ask for."""

from omnina.errors import UserError
from omnina.inference.label_set import label_sets_of
from omnina.objective import LabelSmoothing, Objective, TokenWeights
from omnina.prompt import PromptEncoder
from omnina.stage import Stage


def objective_of(stage: Stage, encoder: PromptEncoder) -> Objective | None:
    """Weights and soft targets of the training rows; None where each target counts once.

    Raises UserError for label smoothing where no question has labels.
    """
    weights = stage.run.token_weights()
    share = stage.run.label_smoothing
    if weights == stage.run.plain_weights and not share:
        return None
    margins = encoder.question_margins() if stage.data_settings.questions else None
    smoothing = _smoothing(stage, encoder, share) if share else None
    return Objective(TokenWeights(weights, margins), smoothing)


def _smoothing(stage: Stage, encoder: PromptEncoder, share: float) -> LabelSmoothing:
    sets = label_sets_of(stage.questions.by_text, encoder)
    labels = {place: sets[name].ids for place, name in enumerate(stage.train.sources) if name in sets}
    if not labels:
        raise UserError(
            "label_smoothing: every question of the training tables is answered in free text, so there are "
            "no labels to smooth over; leave it out, or name them in label_sets."
        )
    return LabelSmoothing(share, labels)
