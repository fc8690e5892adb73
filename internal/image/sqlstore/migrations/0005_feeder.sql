-- The part of the cloud that fills an image; '' where its owner does.
ALTER TABLE image ADD COLUMN feeder TEXT NOT NULL DEFAULT '';
