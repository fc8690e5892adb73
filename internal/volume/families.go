package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/volume/group"
	"kumoi/internal/volume/message"
	"kumoi/internal/volume/qos"
	"kumoi/internal/volume/voltype"
)

// FamilyTables are those of the families that are packages of their own.
type FamilyTables struct {
	Types    voltype.Tables
	QoS      *store.Table[qos.Spec]
	Groups   group.Tables
	Messages *store.Table[message.Message]
	Quotas   *store.Table[quota.Limit]
	// Usage counts what a project has, by RESOURCE or RESOURCE/TYPE.
	Usage func(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error)
}

// Families are packages of their own beside volumes.
type Families struct {
	Types    *voltype.Service
	QoS      *qos.Service
	Groups   *group.Service
	Messages *message.Service
	Quotas   *Quotas
	Operator *Operator
}

// addFamilies makes them, and tells volumes of them.
func (s *Service) addFamilies(t FamilyTables) {
	s.Quotas, s.Operator = s.makeQuotas(t), &Operator{s}
	s.Types = voltype.New(voltype.Deps{
		DB: s.db, Tables: t.Types, Now: s.now, Check: s.policy.Check, Admin: s.admin, Project: s.projectExists,
		InUse: func(ctx context.Context, tx *store.Tx, id string) (bool, error) {
			return s.tables.Volumes.Any(ctx, tx, store.Eq("volume_type_id", id))
		},
		Grouped: func(ctx context.Context, tx *store.Tx, id string) (bool, error) {
			return t.Groups.Groups.Any(ctx, tx, store.Is("takes", id))
		},
		Renamed: s.Quotas.renamed,
	})
	s.QoS = qos.New(qos.Deps{DB: s.db, Table: t.QoS, Types: t.Types.Types, Now: s.now, Check: s.policy.Check})
	s.Messages = message.New(message.Deps{DB: s.db, Table: t.Messages, Now: s.now, Check: s.policy.Check, Admin: s.admin})
	s.Groups = group.New(group.Deps{
		DB: s.db, Tables: t.Groups, Now: s.now, Check: s.policy.Check, Admin: s.admin, Volumes: members{s},
		Spend: func(ctx context.Context, tx *store.Tx, project string, n int) error {
			return s.parts.spend(ctx, tx, Demand{Project: project, Groups: n})
		},
		Woken: func() {
			s.groupsWait.Store(true)
			s.tasks.Wake(taskGroups)
		},
	})
	s.parts.typeOf = func(ctx context.Context, tx *store.Tx, which string) (*Type, error) {
		t, err := s.Types.Resolve(ctx, tx, which, actor.From(ctx).ProjectID)
		if err != nil {
			return nil, err
		}
		return s.typeParts(ctx, tx, t)
	}
	s.parts.typeByID = func(ctx context.Context, tx *store.Tx, id string) (*Type, error) {
		v, err := t.Types.Types.Get(ctx, tx, id)
		if errs.Is(err, errs.NotFound) {
			return &Type{ID: id}, nil
		}
		if err != nil {
			return nil, err
		}
		return s.typeParts(ctx, tx, v)
	}
	s.parts.typeNames = func(ctx context.Context, tx *store.Tx, ids []string) (map[string]string, error) {
		rows, err := t.Types.Types.All(ctx, tx, store.In("id", ids))
		out := make(map[string]string, len(rows))
		for _, v := range rows {
			out[v.ID] = v.Name
		}
		return out, err
	}
	s.parts.spend = s.Quotas.spend
	s.parts.tell = func(ctx context.Context, tx *store.Tx, m Message) error {
		return s.Messages.New(ctx, tx, message.Message{
			ProjectID: m.Project, RequestID: m.Request, ResourceType: m.Resource, ResourceID: m.ResourceID, Action: m.Action, Detail: m.Detail,
		})
	}
}

// projectExists refuses projects that do not exist.
func (s *Service) projectExists(ctx context.Context, id string) error {
	return s.read(ctx, func(tx *store.Tx) error {
		there, err := s.identity.ProjectExists(ctx, tx, id)
		if err == nil && !there {
			err = errs.New(errs.NotFound, "Project with id %s not found.", id)
		}
		return err
	})
}

// typeParts is a type with what belongs to it.
func (s *Service) typeParts(ctx context.Context, tx *store.Tx, t *voltype.Type) (*Type, error) {
	out := &Type{ID: t.ID, Name: t.Name, ExtraSpecs: t.ExtraSpecs}
	e, err := s.Types.EncryptionOf(ctx, tx, t.ID)
	if err != nil {
		return nil, err
	}
	if e != nil {
		out.Encryption = &hostapi.VolumeEncryption{Cipher: "aes-xts-plain64", KeySize: 256}
		if e.Cipher != nil && *e.Cipher != "" {
			out.Encryption.Cipher = *e.Cipher
		}
		if e.KeySize != nil && *e.KeySize > 0 {
			out.Encryption.KeySize = *e.KeySize
		}
	}
	out.Spec, err = s.QoS.Of(ctx, tx, t)
	return out, err
}

// The upkeep of families.
const (
	taskGroups   = "volume.groups"
	taskMessages = "volume.messages"
)

// startFamilies makes what every cloud has, and begins their upkeep.
func (s *Service) startFamilies(ctx context.Context) error {
	if err := s.Types.Start(ctx); err != nil {
		return err
	}
	s.tasks.Add(
		task.Task{Name: taskGroups, AtStart: true, Every: groupsEvery, Run: s.settleGroups},
		task.Task{Name: taskMessages, Every: messagesEvery, Run: s.Messages.Prune},
	)
	return nil
}

// settleGroups ends the waiting of groups, and remembers whether any wait.
func (s *Service) settleGroups(ctx context.Context) (string, error) {
	s.groupsWait.Store(false)
	waiting, report, err := s.Groups.Settle(ctx)
	if waiting > 0 || err != nil {
		s.groupsWait.Store(true)
	}
	return report, err
}

// follow has groups that wait looked at whenever a volume or snapshot changes.
func (s *Service) follow() {
	if s.events == nil {
		return
	}
	s.events.Subscribe(event.Subscriber{
		Name: taskGroups, Filter: event.Filter{Type: "volume."},
		Handle: func(context.Context, event.Event) error {
			if s.groupsWait.Load() {
				s.tasks.Wake(taskGroups)
			}
			return nil
		},
	})
}
