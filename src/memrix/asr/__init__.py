"""Speech recognition on memristor chips: an application, built on what memrix publishes and nothing else.

It answers one question: how many words does a recognizer get wrong in float, quantized, and on a chip?

    recordings --corpora--> cuts of train, dev, test --+
                                                       +--training--> recognizer, a safetensors file
    labels, pronunciations ----------------------------+                  |  in float; then with low-bit weights
                                                                          |
                                                                          |  memrix.quantize, calibrate, program
    text --search.estimation--> language model --+                        v
                                                 +--search--> words <--transcription-- log-probabilities of labels
    lexicon -------------------------------------+              |
                                                                +--scoring--> errors --experiment--> WER, charts

Where to look:

- ``corpora``: recordings and transcripts of others, prepared once: manifests with fixed splits, audio at 16 kHz.
- ``audio``, ``features``, ``augmentation``: from samples to what a network takes.
- ``labels``, ``pronunciation``, ``derived_pronunciations``, ``text``: what a network writes, and how words are
  spelled in it.
- ``speech_model``: what every recognizer is to training.
- ``seq2seq``: sequence-to-sequence models of ``transformers``, such as Whisper.
- ``models``, ``recognizer``, ``recognizer_files``: acoustic models with CTC; recognizers as files.
- ``packing``, ``bases``: recognizers packed into the space of their bits, onto the model that they started from.
- ``training``, ``recipes``, ``seeds``: from settings to a recognizer; killed, it goes on where it was.
- ``search``: from log-probabilities to words, with a lexicon and an n-gram language model.
- ``experiment``: float, low-bit and chips of a recognizer that is trained here, compared on one test split.
- ``evaluation``: the same comparison of any recognizer, as it comes or trained, batch by batch.
- ``chips``, ``journal``: a speech model on a chip, and results that are kept as they finish, for all that follows.
- ``transcribing``: recordings of any length as text, by a recognizer as it is or on a chip.
- ``whisper``: what is Whisper's own: its prompt and its weights.
- ``scoring``, ``resampling``, ``charts``: word error rates with intervals, and what they look like; ``alignment``,
  ``sclite``: errors by kind, and files for NIST's tool.
- ``trained``: recognizers that come with memrix.
- ``outside``, ``kept``, ``files``, ``former``: whatever others or earlier versions wrote passes here.

Needs the extra ``asr``: ``pip install "memrix[asr]"``. Nothing heavy is imported here; import the modules themselves.
"""

from memrix.toolkit import former_modules

former_modules(
    __name__,
    {
        "recogniser": "recognizer",
        "recogniser_files": "recognizer_files",
        "corpora.catalogue": "corpora.catalog",
        "experiment.trained": "trained_recognizers",
        "training.calibration": "training.stages",
        "whisper.evaluation": "evaluation.run",
        "whisper.pretrained": "seq2seq.pretrained",
        "whisper.recognizer": "seq2seq.pretrained",
        "whisper.reporting": "evaluation.reporting",
        "whisper.results": "evaluation.results",
        "whisper.settings": "evaluation.settings",
    },
    {
        "recogniser": {"Recogniser": "Recognizer"},
        "recogniser_files": {
            "new_recogniser": "new_recognizer",
            "quantize_recogniser": "quantize_recognizer",
            "save_recogniser": "save_recognizer",
            "load_recogniser": "load_recognizer",
            "recogniser_digest": "recognizer_digest",
        },
        "experiment.trained": {
            "TrainedRecognisers": "TrainedRecognizers",
            "shipped_recognisers": "shipped_recognizers",
        },
        "training.calibration": {"calibrate_recogniser": "calibrate_recognizer"},
        "whisper.recognizer": {"load_recognizer": "load_seq2seq"},
        "whisper.reporting": {"SilentReporter": "Reporter"},
    },
)
