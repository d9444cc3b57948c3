"""The one mechanism of detections that judge a subject by its own habits: each of them is a module beside this package.

Such a detection says three things.

- What it looks at, a `Lens` (`lens`): which events count, whose habit it is (the subject: an identity, a repository, a
  registry) and what of it (the value: a user agent family, a pusher, an address).
- What it asks, a question: has this subject never shown this value before (`novelty`), was it away for long
  (`absence`), is this date beyond its measure (`rate`), was it in two places at once (`travel`)?
- The sentence that says why, of what the answer was found by.

The pass (`detection`) is the same for all. New events become sightings: subject, value, UTC date, number. The question
folds them into the profile (`storage.state.habits`) by minima, sums and maxima, which no order of arrival shows, and
names the subjects of which something new is known, each with the first date that it bears on. From there on, and
nowhere else, it is asked again which dates match; the answer is a function of the profile alone. What stands is
compared with the answer: dates that match no more are withdrawn, new ones get their events from the new rows or, where
earlier rows of that date were judged before, from the lake's files of that date.

So a pass over events in order costs one grouping of the new rows, as many writes as there are new dates and values, and
questions about those alone, however long the history. The date is the unit: what happens on a date that matches already
joins its alert.
"""

from detections.behavioural.habit.absence import Absence
from detections.behavioural.habit.detection import HabitDetection
from detections.behavioural.habit.lens import ORDINARY, Lens
from detections.behavioural.habit.novelty import Novelty
from detections.behavioural.habit.rate import Rate
from detections.behavioural.habit.travel import Travel
from detections.behavioural.habit.version import version_of

__all__ = ["ORDINARY", "Absence", "HabitDetection", "Lens", "Novelty", "Rate", "Travel", "version_of"]
