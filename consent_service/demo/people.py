"""The people of the demo and the tests: public-domain portraits, each with a voice apart from the others.

The pictures show real people who have nothing to do with this project and consented to nothing in it: they
are official portraits of public figures, used as test images, fetched by the model registry, not stored here.
"""

from dataclasses import dataclass
from typing import Final

from consent_service.demo.speech import FormantVoice, NeuralVoice, Voice


@dataclass(frozen=True, slots=True)
class Person:
    """Someone the studio can compose.

    Attributes:
        name: How the story calls them.
        still: Registry name of the portrait.
        voice: How they sound.
    """

    name: str
    still: str
    voice: Voice


SHE: Final = Person("she", "studio-still-astronaut", FormantVoice("en-us+linda"))
HE: Final = Person("he", "studio-still-obama", NeuralVoice("studio-voice-joe", "studio-voice-joe-config"))
IMPOSTER: Final = Person("imposter", "studio-still-biden", FormantVoice("en-gb-scotland+m1", pitch=30))
EVERYONE: Final = (SHE, HE, IMPOSTER)
